"""The coordinate check: how the sizes of preactivations and of their changes in training scale with width."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from nnlimits import nn
from nnlimits.nn.fields import as_integer
from nnlimits.training.optimizers import optimizer as make_optimizer
from nnlimits.training.preactivations import preactivations
from nnlimits.validation import check_finite, check_inputs, check_positive, check_same_dtype

Loss = Callable[[Float[Array, "n ..."], Array], Float[Array, ""]]
"""The mean loss of outputs (n, ...) at targets (n, ...)."""


class PowerLaw(NamedTuple):
    """Fits `size ~ width^exponent`, one a layer, with the standard errors of the exponents from the spread over seeds."""

    exponent: Float[np.ndarray, " layers"]
    error: Float[np.ndarray, " layers"]


class CoordinateCheck(NamedTuple):
    """Root mean squares, over examples and coordinates, of what each layer with parameters makes."""

    widths: Int[np.ndarray, " widths"]
    layers: tuple[str, ...]
    """Type and position of each layer, as `preactivations` names them."""
    initial: Float[np.ndarray, "widths seeds layers"]
    """Sizes at initialization."""
    change: Float[np.ndarray, "widths seeds steps layers"]
    """Sizes of the change since initialization, after 1, 2, ... steps."""

    def initial_law(self) -> PowerLaw:
        """How the sizes at initialization scale with the width."""
        return _fit(self.widths, self.initial)

    def change_law(self, step: int = -1) -> PowerLaw:
        """How the sizes of the change after `step` steps (by default all) scale with the width."""
        return _fit(self.widths, self.change[:, :, step - 1 if step > 0 else step])


def half_mean_squared_error(outputs: Float[Array, "n ..."], targets: Float[Array, "n ..."]) -> Float[Array, ""]:
    """Half the mean, over all entries, of the squared difference."""
    return jnp.square(outputs - targets).mean() / 2


def coordinate_check(
    network: nn.Layer | Callable[[int], nn.Layer],
    x: Float[Array | np.ndarray, "n ..."],
    y: Array | np.ndarray,
    widths: Sequence[int],
    *,
    key: PRNGKeyArray,
    learning_rate: float,
    optimizer: str = "sgd",
    steps: int = 4,
    seeds: int = 4,
    loss: Loss = half_mean_squared_error,
    advance: Callable[[str], Any] = lambda _: None,
) -> CoordinateCheck:
    """Train networks of several widths for a few steps, and record the sizes of what their layers make.

    Where theory promises that a size is of order `n^x`, its logarithm has the slope x in that of the width (Yang et al. 2022,
    appendix D.1). Under `"mup"` no exponent is above 0, and every layer's change has exponent 0.

    **Arguments:** `network`, whose widths `nn.with_width` changes, or a function that makes it of a width; `x` (n, *input_shape)
    and `y` (n, ...), one batch of data, in the network's dtype; `widths`, two or more, ascending; `key`, a JAX random key, for
    the initializations; `learning_rate`, of `nnlimits.training.optimizer` at every width; `optimizer`, `"sgd"` or `"adam"`;
    `steps` of full-batch training and `seeds`, at least 1; `loss` of outputs and targets; `advance`, told of each width
    that is done.

    **Returns:** `CoordinateCheck`.

    **Raises:** `ValueError` for bad data, widths that do not ascend, or training that diverges.
    """
    x = check_inputs("x", x, rank=np.ndim(x))
    y = y if isinstance(y, jax.Array) else np.asarray(y)
    if len(y) != len(x):
        raise ValueError(f"x and y must have as many examples; received {len(x)} and {len(y)}")
    if np.issubdtype(y.dtype, np.floating):
        check_same_dtype(x=x, y=y)
    check_positive("learning_rate", learning_rate)
    steps, seeds = as_integer("steps", 1, steps), as_integer("seeds", 1, seeds)
    sizes = _ascending(widths)
    keys = jax.random.split(key, seeds)
    initial, change, names = [], [], ()
    for width in sizes:
        at_width = network(width) if not isinstance(network, nn.Layer) else nn.with_width(network, width)
        update = make_optimizer(at_width, x.shape[1:], optimizer, learning_rate)
        names, runs = _train(at_width, update, loss, keys, x, y, steps)
        initial.append([run[0] for run in runs])
        change.append([run[1] for run in runs])
        advance(f"width {width}")
    found = CoordinateCheck(np.asarray(sizes), names, np.asarray(initial), np.asarray(change))
    check_finite("the size of a layer's change (is the learning rate too large?)", found.change)
    return found


def _train(
    network: nn.Layer, update: Any, loss: Loss, keys: Any, x: Any, y: Any, steps: int
) -> tuple[tuple[str, ...], list[tuple[np.ndarray, np.ndarray]]]:
    """The names of the layers, and for each key their sizes at initialization and of their changes at each step."""
    with jax.enable_x64(x.dtype == np.float64 or jnp.result_type(float) == np.float64):
        x, y = jnp.asarray(x), jnp.asarray(y)

        @jax.jit
        def run(params: PyTree) -> tuple[Array, Array]:
            start = preactivations(network, params, x)
            gradient = jax.grad(lambda p: loss(network.apply(p, x), y))

            def step(carry: tuple[PyTree, PyTree], _: None) -> tuple[tuple[PyTree, PyTree], Array]:
                params, state = carry
                moved, state = update.update(gradient(params), state, params)
                params = jax.tree.map(jnp.add, params, moved)
                now = preactivations(network, params, x)
                return (params, state), _sizes([now[name] - start[name] for name in start])

            changes = jax.lax.scan(step, (params, update.init(params)), length=steps)[1]
            return _sizes(list(start.values())), changes

        drawn = [_initialize(network, key, x.shape[1:], x.dtype) for key in keys]
        if not jax.tree.leaves(drawn[0]):
            raise ValueError(f"network has no layer with parameters: {network!r}")
        names: list[str] = []  # in order, which a dictionary that leaves a transformation is not
        jax.eval_shape(lambda params: names.extend(preactivations(network, params, x)), drawn[0])
        return tuple(names), [(np.asarray(initial), np.asarray(changes)) for initial, changes in map(run, drawn)]


@eqx.filter_jit
def _initialize(network: nn.Layer, key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any) -> PyTree:
    return network.init(key, shape, dtype=dtype)


def _sizes(arrays: list[Array]) -> Float[Array, " layers"]:
    return jnp.stack([jnp.sqrt(jnp.square(array).mean()) for array in arrays])


def _ascending(widths: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(as_integer("every entry of widths", 1, width) for width in widths)
    if len(sizes) < 2 or list(sizes) != sorted(set(sizes)):
        raise ValueError(f"widths must be two or more, in ascending order; received {widths!r}")
    return sizes


def _fit(widths: Int[np.ndarray, " widths"], sizes: Float[np.ndarray, "widths seeds layers"]) -> PowerLaw:
    """Least squares in logarithms through the means over seeds."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.asarray(sizes, float))
        centred = np.log(widths) - np.log(widths).mean()
        weights = centred / (centred @ centred)
        seeds = sizes.shape[1]
        error = logs.std(1, ddof=1) / seeds**0.5 if seeds > 1 else np.full(logs.shape[::2], np.nan)
        return PowerLaw(weights @ logs.mean(1), np.sqrt(weights**2 @ error**2))
