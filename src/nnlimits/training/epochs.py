"""Training on batches, epoch by epoch, until held-out examples are no longer predicted better."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.errors import solve_errors
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore

if TYPE_CHECKING:
    import optax

Losses = Callable[..., Float[Array, " n"]]
"""Of parameters and a batch's arrays, the loss of each of its examples."""

Penalty = Callable[[PyTree, tuple[Array, ...], PRNGKeyArray], Float[Array, ""]]
"""Of parameters, a batch's arrays and a random key, what is added to the mean loss."""

_ROWS = 1_000
"""Examples evaluated at a time."""


class Epochs(NamedTuple):
    """A course of training."""

    params: PyTree
    """The parameters after the best epoch."""
    losses: Float[np.ndarray, " epochs"]
    """The mean over an epoch of what each step minimised, penalty included."""
    held_out: Float[np.ndarray, " epochs"]
    """The mean loss of the examples held out after each epoch; empty without any."""
    best: int
    """The epoch, counted from 0, with the least loss of examples held out (without any: of those trained on)."""
    settled: bool
    """Whether training ended because `patience` epochs brought nothing better."""
    observed: list[Any]
    """What `observe` said of the parameters after each epoch; empty without it."""


class DivergenceError(RuntimeError):
    """Training left the finite numbers; the message says when, and what to change."""


def train_in_epochs(
    losses: Losses,
    params: PyTree,
    data: tuple[Any, ...],
    optimizer: "optax.GradientTransformation",
    key: PRNGKeyArray,
    *,
    held_out: tuple[Any, ...] | None = None,
    penalty: Penalty | None = None,
    epochs: int = 100,
    batch_size: int = 64,
    patience: int = 10,
    observe: Callable[[PyTree], Any] | None = None,
    advance: Advance = ignore,
) -> Epochs:
    """Minimise a mean loss by an Optax optimizer on shuffled batches, with early stopping (Prechelt 1998).

    **Arguments:** `losses(params, *batch)`, the loss of each example, shape (n,); `params`, where to start; `data`, arrays with
    the examples along the first axis; `optimizer`, of Optax; `key`, for the order of examples and for `penalty`; `held_out`,
    arrays like `data` that decide when to stop (without them the loss of the epoch decides); `penalty(params, batch, key)`, added
    to the mean loss of a batch; `epochs`, at most; `batch_size`, examples a step (what is left over waits for another
    epoch); `patience`, epochs without a better one before the end; `observe(params)`, called after each epoch; `advance`, told
    of each epoch.

    **Returns:** an `Epochs`, with the parameters of the best epoch.

    **Raises:** `ValueError` for arrays of different lengths, no examples, or numbers out of range; `DivergenceError` when a loss
    is no longer finite; what the network raises, such as `nn.SolveError`.
    """
    data = _arrays("data", data)
    held_out = None if held_out is None else _arrays("held_out", held_out)
    epochs, patience = as_integer("epochs", 1, epochs), as_integer("patience", 1, patience)
    size = min(as_integer("batch_size", 1, batch_size), len(data[0]))
    state, batches = optimizer.init(params), _Batches(data, size, key)
    course, found, observed, best, best_params = [], [], [], 0, params
    for epoch in range(epochs):
        params, state, loss = _one_epoch(losses, penalty, optimizer, params, state, batches.epoch(epoch))
        course.append(_finite(loss, epoch, "training"))
        if held_out is not None:
            found.append(_finite(mean_loss(losses, params, held_out), epoch, "held-out"))
        judged = course if held_out is None else found
        if epoch == 0 or judged[epoch] < judged[best]:
            best, best_params = epoch, params
        if observe is not None:
            observed.append(observe(params))
        advance(f"epoch {epoch + 1}, loss {course[-1]:.3g}" + (f", held out {found[-1]:.3g}" if found else ""))
        if epoch - best >= patience:
            break
    settled = len(course) - 1 - best >= patience
    return Epochs(best_params, np.array(course), np.array(found), best, settled, observed)


class _Batches:
    """The batches of each epoch, in an order drawn for it."""

    def __init__(self, data: tuple[np.ndarray, ...], size: int, key: PRNGKeyArray) -> None:
        self.data, self.size, self.key = data, size, key
        self.random = np.random.default_rng(np.asarray(jax.random.key_data(key)).astype(np.uint32))

    def epoch(self, epoch: int) -> Iterator[tuple[tuple[np.ndarray, ...], PRNGKeyArray]]:
        """Each batch with a random key of its own."""
        order, steps = self.random.permutation(len(self.data[0])), len(self.data[0]) // self.size
        for step in range(steps):
            rows = order[step * self.size : (step + 1) * self.size]
            yield tuple(part[rows] for part in self.data), jax.random.fold_in(self.key, epoch * steps + step)


def _one_epoch(
    losses: Losses, penalty: Penalty | None, optimizer: Any, params: PyTree, state: Any, batches: Iterator
) -> tuple[PyTree, Any, float]:
    """Parameters and the optimizer's state after an epoch, and its mean loss."""
    total = []
    for batch, key in batches:
        with solve_errors():
            params, state, loss = _step(losses, penalty, optimizer, params, state, batch, key)
        total.append(loss)
    return params, state, float(np.mean(total))


def step_memory(
    losses: Losses, params: PyTree, batch: tuple[Any, ...], optimizer: "optax.GradientTransformation"
) -> int:
    """Bytes of memory that one step of training on `batch` takes beside parameters and data, as compiled."""
    state, key = optimizer.init(params), jax.random.key(0)
    lowered = _step.lower(losses, None, optimizer, params, state, batch, key)  # pyright: ignore[reportFunctionMemberAccess]
    return int(lowered.compile().compiled.memory_analysis().temp_size_in_bytes)


@eqx.filter_jit
def _step(losses: Losses, penalty: Penalty | None, optimizer: Any, params, state, batch, key) -> tuple[Any, Any, Array]:
    def objective(params: PyTree) -> Array:
        mean = jnp.mean(losses(params, *batch))
        return mean if penalty is None else mean + penalty(params, batch, key)

    loss, gradient = jax.value_and_grad(objective)(params)
    updates, state = optimizer.update(gradient, state, params)
    return jax.tree.map(lambda value, update: value + update.astype(value.dtype), params, updates), state, loss


def mean_loss(losses: Losses, params: PyTree, data: tuple[Any, ...]) -> float:
    """The mean loss of all examples, some at a time."""
    return float(np.mean(by_parts(losses, params, data)))


def by_parts(function: Callable[..., Array], params: PyTree, data: tuple[Any, ...]) -> np.ndarray:
    """`function(params, *data)`, which treats examples one by one, so many at a time.

    The last part is filled up, so that one program serves all.
    """
    n = len(data[0])
    size = min(_ROWS, n)
    parts = []
    for start in range(0, n, size):
        rows = np.minimum(np.arange(start, start + size), n - 1)
        with solve_errors():
            parts.append(np.asarray(_call(function, params, *(np.asarray(part)[rows] for part in data))))
    return np.concatenate(parts)[:n]


@eqx.filter_jit
def _call(function: Callable[..., Array], params: PyTree, *batch: Any) -> Array:
    return function(params, *batch)


def _arrays(name: str, arrays: tuple[Any, ...]) -> tuple[np.ndarray, ...]:
    found = tuple(np.asarray(part) for part in arrays)
    lengths = [len(part) for part in found]
    if not lengths or min(lengths) == 0 or len(set(lengths)) > 1:
        raise ValueError(
            f"{name} must be arrays with as many examples, at least one; received lengths {lengths or 'of no array'}"
        )
    return found


def _finite(value: float, epoch: int, kind: str) -> float:
    if not np.isfinite(value):
        raise DivergenceError(
            f"the {kind} loss is {value} in epoch {epoch + 1}: training diverged; lower the learning rate"
        )
    return value
