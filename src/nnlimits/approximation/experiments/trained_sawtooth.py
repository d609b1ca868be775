"""Shallow networks trained on Telgarsky's sawtooth, against what their number of pieces allows."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from nnlimits import nn
from nnlimits.approximation.sawtooth import sawtooth
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_positive

_POINTS = 2**11


class TrainedSawtooth(NamedTuple):
    """Errors of trained networks of one hidden layer; norms are of L^2[0, 1]."""

    k: int
    """The sawtooth is that of k layers."""
    units: Int[np.ndarray, " n"]
    """Of each network."""
    errors: Float[np.ndarray, "n seeds"]
    """The distance after training, of each initialization."""


def trained_sawtooth(
    k: int = 4,
    units: tuple[int, ...] = (4, 8, 16, 32, 64),
    *,
    seeds: int = 3,
    steps: int = 4000,
    learning_rate: float = 1e-2,
    advance: Advance = ignore,
) -> TrainedSawtooth:
    """Networks of one hidden layer fitted to `sawtooth(k)` by Adam, all 2,048 midpoints of a grid at a time.

    How close training comes says nothing of how close networks can come; `depth_separation` bounds that. Inputs are scaled to
    [-1, 1], and biases start as wide as weights, so that bends lie all over the interval. The learning rate falls to zero along
    a cosine.

    **Arguments:** `k`; `units`, of each network; `seeds`, initializations of each; `steps` and `learning_rate`, of Adam;
    `advance`, told of each network.

    **Raises:** `ValueError` for numbers below 1, or a learning rate that is not positive.
    """
    k, seeds, steps = as_integer("k", 1, k), as_integer("seeds", 1, seeds), as_integer("steps", 1, steps)
    check_positive("learning_rate", learning_rate)
    points = (np.arange(_POINTS) + 0.5)[:, None] / _POINTS
    x, y = jnp.asarray(2 * points - 1, jnp.float32), jnp.asarray(sawtooth(k)(points), jnp.float32)
    errors = []
    for width in units:
        network = nn.Sequential(
            nn.Dense(as_integer("units", 1, width), b_std=1.0),
            nn.Relu(),
            nn.Dense(1, b_std=0.0),
            parameterization="standard",
        )
        keys = jax.random.split(jax.random.key(0), seeds)
        params = jax.vmap(lambda key, network=network: network.init(key, (1,)))(keys)
        trained = jax.jit(jax.vmap(lambda start, network=network: _trained(network, start, x, y, steps, learning_rate)))
        errors.append(np.sqrt(np.asarray(trained(params), np.float64)))
        advance(f"{width} units")
    return TrainedSawtooth(k, np.array(units), np.array(errors))


def _trained(network: nn.Layer, params: Any, x: Any, y: Any, steps: int, learning_rate: float) -> Any:
    """The mean squared error after training."""
    import optax

    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, steps))

    def loss(params: Any) -> Any:
        return jnp.mean((network.apply(params, x) - y) ** 2)

    def step(_: Any, state: Any) -> Any:
        params, moments = state
        updates, moments = optimizer.update(jax.grad(loss)(params), moments, params)
        return optax.apply_updates(params, updates), moments

    params, _ = jax.lax.fori_loop(0, steps, step, (params, optimizer.init(params)))
    return loss(params)
