"""The limit equation of networks with several hidden layers, and the finite networks that follow it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.compute.precision import precision_of
from nnlimits.mean_field.layered import Biases, Layered, Weights
from nnlimits.predict.losses import as_loss
from nnlimits.predict.times import check_times
from nnlimits.training.recording import record, segments_of
from nnlimits.validation import check_inputs, check_positive, check_same_dtype

_MAX_STEPS = 1_000_000

Parameters = tuple[Weights, Biases]


class LayeredCourse(NamedTuple):
    """A network in time, along a first axis of recorded times."""

    times: Float[Array, " records"]
    risks: Float[Array, " records"]
    weights: tuple[Float[Array, "records _ _"], ...]
    """Each with the records along a first axis."""
    biases: tuple[Float[Array, "records _"] | None, ...]

    def at(self, network: Layered, record: int) -> Layered:
        """The network at a record; `network` gives labels and activations."""
        weights, biases = jax.tree.map(lambda part: part[record], (self.weights, self.biases))
        return network.with_weights(weights, biases)


def layered_flow(
    network: Layered,
    x: Any,
    y: Any,
    times: Sequence[Any] | np.ndarray,
    *,
    loss: Any = "mse",
    tolerance: float = 1e-6,
    solver: Any = None,
) -> LayeredCourse:
    """The gradient flow of all weights, each at the rate at which it moves in the limit.

    The gradient of the risk in the weight between labels of masses p and q is divided by `p q`; with masses `1/n`, that is a
    learning rate `n_{l-1} n_l`, and for the first and last layers that of their width (Pham & Nguyen 2021, equations 2 and 4).
    The gradient in a bias is divided by the mass of its label. Both are multiplied by the layer's `Rates`.

    **Arguments:** `network`, such as of `Embedding.sample`, `Embedding.at` or `layered_of`; `x` (n, d), `y` (n, outputs), `loss`
    as of `EmpiricalRisk`; `times`, ascending; `tolerance` and `solver` as of `flow`.

    **Raises:** `ValueError` for data or times that do not fit; `RuntimeError` if the solver gives up.
    """
    x, y = _checked(network, x, y)
    moments, _ = check_times(np.asarray(times))
    if np.isinf(moments).any() or (np.diff(moments) < 0).any():
        raise ValueError(f"times must be finite and ascend; received {times!r}")
    check_positive("tolerance", tolerance)
    with precision_of(x):
        instants, accuracy = jnp.asarray(moments, x.dtype), jnp.asarray(tolerance, x.dtype)
        chosen = diffrax.Tsit5() if solver is None else solver
        found, solved = _flow(network, x, y, as_loss(loss), instants, accuracy, chosen)
    if not solved:
        raise RuntimeError(
            f"the solver did not reach time {times[-1]}: weights run away, or the flow is stiff; give earlier times, a larger "
            "tolerance, or a solver such as diffrax.Kvaerno5()"
        )
    return found


def layered_descent(
    network: Layered, x: Any, y: Any, step: Any, steps: Sequence[Any] | np.ndarray, *, loss: Any = "mse"
) -> LayeredCourse:
    """Gradient descent at the same rates, by steps of `step` in the unit of time of `layered_flow`."""
    x, y = _checked(network, x, y)
    check_positive("step", step)
    with precision_of(x):
        return _descent(network, x, y, as_loss(loss), jnp.asarray(step, x.dtype), jnp.asarray(segments_of(steps)))


def velocity(network: Layered, x: Array, y: Array, loss: Any) -> Parameters:
    """The rate of change of all weights and biases."""
    parameters = network.weights, network.biases
    gradient = jax.grad(lambda moved: loss(network.with_weights(*moved)(x), y))(parameters)
    ones = [jnp.ones((), x.dtype)]
    sources, targets = [*ones, *network.masses], [*network.masses, *ones]
    layers = list(zip(network.rates, sources, targets, strict=True))
    weights = [-r.weight * g / (jnp.reshape(p, (-1, 1)) * q) for g, (r, p, q) in zip(gradient[0], layers, strict=True)]
    biases = [None if g is None else -r.bias * g / q for g, (r, _, q) in zip(gradient[1], layers, strict=True)]
    return tuple(weights), tuple(biases)


def _checked(network: Any, x: Any, y: Any) -> tuple[Any, Any]:
    if not isinstance(network, Layered):
        raise TypeError(f"network must be a Layered, as of an Embedding; received {type(network).__name__}")
    x, y = check_inputs("x", x), check_inputs("y", y)
    check_same_dtype(x=x, y=y, weights=network.weights[0])
    if len(x) != len(y):
        raise ValueError(f"y must hold one target for each of the {len(x)} examples; received {len(y)}")
    if x.shape[1] != network.weights[0].shape[0] or y.shape[1] != network.weights[-1].shape[1]:
        raise ValueError(
            f"the network maps {network.weights[0].shape[0]} features to {network.weights[-1].shape[1]} outputs; received x of "
            f"shape {x.shape} and y of shape {y.shape}"
        )
    return x, y


@eqx.filter_jit
def _flow(
    network: Layered, x: Array, y: Array, loss: Any, times: Array, accuracy: Array, solver: Any
) -> tuple[LayeredCourse, Array]:
    def slope(_: Any, moved: Parameters, data: tuple[Array, Array]) -> Parameters:
        return velocity(network.with_weights(*moved), *data, loss)

    def seen(_: Any, moved: Parameters, data: tuple[Array, Array]) -> tuple[Array, Parameters]:
        return loss(network.with_weights(*moved)(data[0]), data[1]), moved

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(slope),
        solver,
        t0=jnp.zeros((), times.dtype),
        t1=times[-1],
        dt0=None,
        y0=jax.tree.map(jnp.asarray, (network.weights, network.biases)),
        args=(jnp.asarray(x), jnp.asarray(y)),
        saveat=diffrax.SaveAt(ts=times, fn=seen),
        stepsize_controller=diffrax.PIDController(rtol=accuracy, atol=accuracy),
        max_steps=_MAX_STEPS,
        adjoint=diffrax.ForwardMode(),
        throw=False,
    )
    risks, moved = solution.ys  # pyright: ignore[reportGeneralTypeIssues]
    return LayeredCourse(times, risks, *moved), solution.result == diffrax.RESULTS.successful


@eqx.filter_jit
def _descent(network: Layered, x: Array, y: Array, loss: Any, size: Array, segments: Array) -> LayeredCourse:
    x, y = jnp.asarray(x), jnp.asarray(y)

    def step(moved: Parameters, _: Array) -> Parameters:
        moving = velocity(network.with_weights(*moved), x, y, loss)
        return jax.tree.map(lambda part, slope: part + size * slope, moved, moving)

    def seen(moved: Parameters) -> tuple[Array, Parameters]:
        return loss(network.with_weights(*moved)(x), y), moved

    start = jax.tree.map(jnp.asarray, (network.weights, network.biases))
    risks, moved = record(step, start, segments, seen)
    return LayeredCourse(size * jnp.cumsum(segments), risks, *moved)
