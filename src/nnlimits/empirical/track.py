"""A network in training, and what becomes of its kernel."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from nnlimits.compute.progress import Progress
from nnlimits.empirical.arguments import check_arguments, precision_of_parameters
from nnlimits.empirical.checkpoint import Checkpoint, fingerprint, load, save
from nnlimits.empirical.ntk import ntk
from nnlimits.empirical.torch_models import TorchFunction
from nnlimits.validation import check_finite

Loss = Callable[..., Any]

_AT_ONCE = 100
"""Most steps between two looks at the clock."""


class Track(NamedTuple):
    """What was recorded, one entry for each recorded step."""

    steps: Int[np.ndarray, " records"]
    loss: Float[np.ndarray, " records"]
    drift: Float[np.ndarray, " records"]
    """`|Theta_t - Theta_0| / |Theta_0|`, in the Frobenius norm."""
    alignment: Float[np.ndarray, " records"]
    """`<Theta, y y^T> / (|Theta| |y y^T|)` (Cristianini et al. 2001)."""
    centred_alignment: Float[np.ndarray, " records"]
    """The same after both matrices are centred (Cortes, Mohri & Rostamizadeh 2012)."""
    spectrum: Float[np.ndarray, "records k"]
    """The largest eigenvalues of `Theta`, descending."""
    params: PyTree
    """After the last step."""


def squared_error(outputs: Float[Array, "n ..."], y: Float[Array, "n ..."]) -> Float[Array, ""]:
    """Half the mean over all entries of `(outputs - y)^2`."""
    return jnp.square(outputs - y).mean() / 2


def track(
    f: Any,
    params: PyTree,
    x: Any,
    y: Any,
    optimizer: Any,
    steps: int,
    *,
    record: Sequence[int] | None = None,
    loss: Loss = squared_error,
    k: int = 10,
    path: Any = None,
    progress: bool | None = None,
) -> Track:
    """Train on a full batch, and record the empirical NTK on the way.

    The kernel `Theta` is that of the n examples, the mean over outputs. Where it moves little the network trains as its
    linearization does; its drift falls as `width^{-1/2}` or faster (Lee et al. 2019).

    **Arguments:**

    - `f`, `params`: as of `ntk`; `x`, `y`: examples and their targets, in the shape of the outputs.
    - `optimizer`: from `optax`, or anything with its `init` and `update`.
    - `steps`: how many in all. `record`: after which to record; 0, the powers of 2 and the last, if absent.
    - `loss`: `loss(outputs, y)`, a number; half the mean squared error if absent.
    - `k`: how many of the largest eigenvalues to record, at most n.
    - `path`: a file that keeps the state at each recorded step. If it exists, training goes on from it, to the very
      numbers that an uninterrupted run gives.
    - `progress`: show a progress bar; if absent, when a person is watching.

    **Raises:** `ValueError` or `TypeError` for bad data, a `path` that holds another run, steps that the saved run passed
    without recording them, and training that diverges.
    """
    if isinstance(f, TorchFunction):
        raise TypeError("f is a PyTorch module; track is for functions of JAX arrays")
    wanted = _checked_steps(steps, record)
    with precision_of_parameters(params):
        params, x, _ = check_arguments(f, params, x)
        y = _checked_targets(f, params, x, y)
        start = Checkpoint(0, params, optimizer.init(params), _kernel(f, params, x), {})
        origin = "" if path is None else fingerprint(params, x, y)
        checkpoint = start if path is None else load(path, origin, start)
        missing = [step for step in wanted if step < checkpoint.step and step not in checkpoint.records]
        if missing or checkpoint.step > steps:
            past = missing[0] if missing else steps
            raise ValueError(f"the run in {path} is at step {checkpoint.step} and has no record of step {past}")
        advance = partial(_advance, f, optimizer, loss)
        observe = partial(_observe, f, loss, x=x, y=y, k=min(k, len(x)))
        with Progress("training", steps - checkpoint.step, progress) as bar:
            for target in wanted:
                while checkpoint.step < target:
                    count = min(_AT_ONCE, target - checkpoint.step)
                    trained = advance(count, checkpoint.params, checkpoint.optimizer_state, x, y)
                    checkpoint = checkpoint._replace(
                        step=checkpoint.step + count, params=trained[0], optimizer_state=trained[1]
                    )
                    bar.advance(count)
                if target not in checkpoint.records:
                    found = observe(checkpoint.params, checkpoint.theta0)
                    checkpoint = checkpoint._replace(records=checkpoint.records | {target: found})
                    if path is not None:
                        save(path, origin, checkpoint)
    kept = [checkpoint.records[step] for step in wanted]
    losses, drifts, alignments, centred, spectra = (np.asarray(column) for column in zip(*kept, strict=True))
    return Track(np.asarray(wanted), losses, drifts, alignments, centred, spectra, checkpoint.params)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _advance(
    f: Any, optimizer: Any, loss: Loss, count: Any, params: PyTree, state: PyTree, x: Array, y: Array
) -> tuple[PyTree, PyTree]:
    """Some steps more. Their number is traced, so that the same code runs however training is divided."""
    gradient = jax.grad(lambda p: loss(f(p, x), y))

    def step(_: Any, current: tuple[PyTree, PyTree]) -> tuple[PyTree, PyTree]:
        params, state = current
        updates, state = optimizer.update(gradient(params), state, params)
        return jax.tree.map(lambda p, u: (p + u).astype(p.dtype), params, updates), state

    return jax.lax.fori_loop(0, count, step, (params, state))


def _kernel(f: Any, params: PyTree, x: Array) -> np.ndarray:
    return np.asarray(ntk(f, params, x, outputs="trace"))


def _observe(f: Any, loss: Loss, params: PyTree, theta0: np.ndarray, *, x: Array, y: Array, k: int) -> tuple[Any, ...]:
    """Loss, drift, alignments and spectrum, in double precision from the kernel on."""
    value = float(jax.jit(lambda p: loss(f(p, x), y))(params))
    check_finite("the loss of the training run (is the learning rate too large?)", value)
    theta, initial = _kernel(f, params, x).astype(np.float64), theta0.astype(np.float64)
    drift = float(np.linalg.norm(theta - initial) / np.linalg.norm(initial))
    targets = np.asarray(y, np.float64).reshape(len(x), -1)
    gram, centre = targets @ targets.T, np.eye(len(x)) - 1 / len(x)
    centred = _alignment(centre @ theta @ centre, centre @ gram @ centre)
    spectrum = np.linalg.eigvalsh(theta)[::-1][:k]
    return value, drift, _alignment(theta, gram), centred, spectrum


def _alignment(a: np.ndarray, b: np.ndarray) -> float:
    scale = np.linalg.norm(a) * np.linalg.norm(b)
    return float((a * b).sum() / scale) if scale > 0 else 0.0


def _checked_steps(steps: Any, record: Sequence[int] | None) -> list[int]:
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 0:
        raise ValueError(f"steps must be a whole number, at least 0; received {steps!r}")
    if record is None:
        return sorted({0, int(steps), *(2**i for i in range(int(steps).bit_length()) if 2**i <= steps)})
    counts = np.asarray(record)
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts < 0).any() or (counts > steps).any():
        raise ValueError(f"record must hold numbers of steps between 0 and {steps}; received {record!r}")
    return sorted({*counts.tolist(), int(steps)})


def _checked_targets(f: Any, params: PyTree, x: Array, y: Any) -> Array:
    outputs = jax.eval_shape(f, params, x)
    y = np.asarray(y)
    if y.shape != outputs.shape:
        raise ValueError(f"y must have the shape of the outputs, {outputs.shape}; received {y.shape}")
    check_finite("y", y)
    return jnp.asarray(y, outputs.dtype if y.dtype.kind in "f" else None)
