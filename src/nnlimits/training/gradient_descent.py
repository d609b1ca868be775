"""Full-batch gradient descent on squared error, for many finite networks at once."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree, Shaped

from nnlimits import nn
from nnlimits.training.recording import segments_of
from nnlimits.validation import check_finite, check_inputs, check_positive, check_same_dtype

Outputs = Callable[[PyTree], Float[Array, "n o"]]
"""The outputs of a network at fixed inputs, as a function of its parameters."""

_TOGETHER = 2**18
"""Parameters of all the networks that are trained in step with one another: what a core's cache holds."""


class Training(NamedTuple):
    """The outputs of an ensemble of networks at the steps asked for, in host memory."""

    train: Float[Array | np.ndarray, "seeds steps n o"]
    """At the training inputs."""
    test: Float[Array | np.ndarray, "seeds steps m o"]
    """At the inputs that were only watched."""


def train_ensemble(
    network: nn.Layer,
    keys: Shaped[Array, "seeds ..."],
    x: Float[Array | np.ndarray, "n ..."],
    y: Float[Array | np.ndarray, "n o"],
    *,
    learning_rate: float,
    steps: Sequence[Any],
    x_test: Float[Array | np.ndarray, "m ..."],
) -> Training:
    """Train one finite network from each random key, by gradient descent on half the mean squared error over all entries.

    All parameters are trained, in the precision of the data. The result is what `nnlimits.gradient_descent` predicts in
    the limit of infinite width, at the same learning rate and steps.

    **Arguments:** `network`, an expression of `nnlimits.nn`; `keys`, JAX random keys `(seeds,)`; `x` and `y`, the training
    set; `steps`, ascending numbers of steps after which to record; `x_test`, inputs at which outputs are also recorded.

    **Raises:** `ValueError` for bad data, steps that do not ascend, or a learning rate that is not positive.
    """
    return _train(_network_outputs, network, keys, x, y, learning_rate, steps, x_test)


def train_linearized_ensemble(
    network: nn.Layer,
    keys: Shaped[Array, "seeds ..."],
    x: Float[Array | np.ndarray, "n ..."],
    y: Float[Array | np.ndarray, "n o"],
    *,
    learning_rate: float,
    steps: Sequence[Any],
    x_test: Float[Array | np.ndarray, "m ..."],
) -> Training:
    """As `train_ensemble`, for the linearization of each network in its parameters, at its own initialization.

    From equal keys the two start as one function. Their distance vanishes as the width grows, in proportion to
    `width^{-1/2}` or faster (Lee et al. 2019, theorem 2.1). Arguments and errors as of `train_ensemble`.
    """
    return _train(_linearized_outputs, network, keys, x, y, learning_rate, steps, x_test)


def _network_outputs(network: nn.Layer, params: PyTree, x: Array) -> Outputs:
    del params
    return lambda current: network.apply(current, x)


def _linearized_outputs(network: nn.Layer, params: PyTree, x: Array) -> Outputs:
    initial, jacobian = jax.linearize(lambda p: network.apply(p, x), params)
    return lambda current: initial + jacobian(jax.tree.map(jnp.subtract, current, params))


def _train(
    outputs: Callable[..., Outputs],
    network: nn.Layer,
    keys: Shaped[Array, "seeds ..."],
    x: Any,
    y: Any,
    learning_rate: float,
    steps: Sequence[Any],
    x_test: Any,
) -> Training:
    x, x_test = (check_inputs(name, a, rank=np.ndim(a)) for name, a in (("x", x), ("x_test", x_test)))
    y = check_inputs("y", y)
    check_same_dtype(x=x, y=y, x_test=x_test)
    check_positive("learning_rate", learning_rate)
    segments = segments_of(steps)
    together = max(1, min(len(keys), _TOGETHER // nn.count_parameters(network, x.shape[1:])))
    with jax.enable_x64(x.dtype == np.float64 or jnp.result_type(float) == np.float64):
        x, y, x_test, segments = (jnp.asarray(a) for a in (x, y, x_test, segments))
        rate = jnp.asarray(learning_rate, x.dtype)
        groups = [
            _train_group(outputs, network, _initialized(network, group, x), x, y, x_test, segments, rate)
            for group in _grouped(keys, together)
        ]
        result = Training(*(np.concatenate(parts)[: len(keys)] for parts in zip(*groups, strict=True)))
    check_finite("the trained networks' output (is the learning rate below max_learning_rate?)", result.train)
    return result


def _grouped(keys: Any, size: int) -> list[Any]:
    """The keys in groups of one size; some are repeated in the last."""
    padded = keys[np.arange(-(-len(keys) // size) * size) % len(keys)]
    return [padded[start : start + size] for start in range(0, len(keys), size)]


def _initialized(network: nn.Layer, keys: Any, x: Any) -> PyTree:
    """The parameters of a group, along a first axis. Drawn one by one: `vmap` triples what there is to compile."""
    return jax.tree.map(
        lambda *leaves: jnp.stack(leaves), *(_initialize(network, key, x.shape[1:], x.dtype) for key in keys)
    )


@eqx.filter_jit
def _initialize(network: nn.Layer, key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any) -> PyTree:
    return network.init(key, shape, dtype=dtype)


@eqx.filter_jit
def _train_group(
    outputs: Callable[..., Outputs],
    network: nn.Layer,
    params: PyTree,
    x: Array,
    y: Array,
    x_test: Array,
    segments: Array,
    rate: Array,
) -> Training:
    def train_one(params: PyTree) -> Training:
        at_train, at_test = outputs(network, params, x), outputs(network, params, x_test)
        gradient = jax.grad(lambda current: jnp.square(at_train(current) - y).mean() / 2)
        record = partial(_advance, gradient, rate, lambda current: Training(at_train(current), at_test(current)))
        return jax.lax.scan(record, params, segments)[1]

    return jax.vmap(train_one)(params)


def _advance(
    gradient: Callable[[PyTree], PyTree],
    rate: Array,
    observe: Callable[[PyTree], Training],
    params: PyTree,
    steps: Array,
) -> tuple[PyTree, Training]:
    """Take `steps` steps, and observe."""

    def step(_: Any, current: PyTree) -> PyTree:
        return jax.tree.map(lambda p, g: p - rate * g, current, gradient(current))

    params = jax.lax.fori_loop(0, steps, step, params)
    return params, observe(params)
