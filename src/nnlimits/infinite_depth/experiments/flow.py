"""A continuous normalizing flow learns two moons."""

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits import nn
from nnlimits.infinite_depth.continuous_flow import ContinuousFlow
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_positive

_NOISE, _REACH = 0.1, 3.0
_BATCH, _CHUNK = 256, 50


class Flow(NamedTuple):
    """A trained flow of points in the plane, and what it says of points it has not seen."""

    losses: Float[np.ndarray, " steps"]
    """The mean negative log density of each batch, while training."""
    held_out: Float[np.ndarray, "n 2"]
    flow: Float[np.ndarray, " n"]
    """Log densities of the points held out."""
    gaussian: Float[np.ndarray, " n"]
    """Those of the normal law with the mean and covariance of the training points."""
    axis: Float[np.ndarray, " cells"]
    """Middles of the cells along either axis."""
    density: Float[np.ndarray, "cells cells"]
    """The flow's density there; rows go along the second coordinate."""
    samples: Float[np.ndarray, "n 2"]
    steps: int
    """Of the solver that evaluates the flow."""

    @property
    def mass(self) -> float:
        """The sum of the density over all cells, times their area."""
        return float(self.density.sum() * (self.axis[1] - self.axis[0]) ** 2)


def two_moons(key: PRNGKeyArray, n: int) -> Float[Array, "n 2"]:
    """Points near two half circles that interlock, with normal noise of deviation 0.1, centred and scaled to about unit variance."""
    angle_key, side_key, noise_key = jax.random.split(key, 3)
    angle = jnp.pi * jax.random.uniform(angle_key, (n,))
    lower = jax.random.bernoulli(side_key, 0.5, (n,))
    x = jnp.where(lower, 1 - jnp.cos(angle), jnp.cos(angle)) - 0.5
    y = jnp.where(lower, 0.5 - jnp.sin(angle), jnp.sin(angle)) - 0.25
    points = jnp.stack([x, y], -1) + _NOISE * jax.random.normal(noise_key, (n, 2))
    return points / jnp.array([0.87, 0.5])


def flow(
    steps: int = 1000,
    *,
    width: int = 64,
    examples: int = 4096,
    learning_rate: float = 3e-3,
    cells: int = 120,
    seed: int = 0,
    advance: Advance = ignore,
) -> Flow:
    """Train `dx/ds = f(x, s)` by the likelihood of two moons, as in Grathwohl et al. (2019), section 4.1, with exact divergences.

    Adam on batches of 256 with a cosine schedule, through 8 midpoint steps; what is told afterwards is found with the adaptive
    solver.

    **Arguments:** `steps` of training; `width` of the perceptron f with two hidden layers; `examples`, points to train on, and
    half as many held out; `learning_rate`, the first; `cells` along either axis for the density; `seed`; `advance`, told of
    each 50 steps and of what follows.

    **Raises:** `ValueError` for numbers out of range.
    """
    steps, examples, cells = (
        as_integer(name, least, value)
        for name, least, value in (("steps", 1, steps), ("examples", _BATCH, examples), ("cells", 2, cells))
    )
    check_positive("learning_rate", learning_rate)
    field = nn.Sequential(nn.Dense(width, b_std=1.0), nn.Tanh(), nn.Dense(width, b_std=1.0), nn.Tanh(), nn.Dense(2))
    adaptive = nn.NeuralODE(field, time_dependent=True)
    trained = ContinuousFlow(dataclasses.replace(adaptive, solver="midpoint", steps=8))
    first, second, third, fourth = jax.random.split(jax.random.key(seed), 4)
    points = two_moons(first, examples + examples // 2)
    train, held_out = points[:examples], points[examples:]
    params, losses = _trained(trained, trained.init(second, (2,)), train, steps, learning_rate, third, advance)
    exact = ContinuousFlow(adaptive)
    log_density = jax.jit(exact.log_density)
    middles = (np.arange(cells) + 0.5) / cells * 2 * _REACH - _REACH
    grid = np.stack(np.meshgrid(middles, middles), -1).reshape(-1, 2).astype(np.float32)
    density = np.exp(log_density(params, grid)).reshape(cells, cells)
    advance("density")
    with nn.reporting() as reports:
        samples = exact.sample(params, fourth, len(held_out), (2,))
    advance("samples")
    return Flow(
        losses,
        np.asarray(held_out),
        np.asarray(log_density(params, held_out)),
        _gaussian(np.asarray(train, np.float64), np.asarray(held_out, np.float64)),
        middles,
        density,
        np.asarray(samples),
        int(reports[0].statistics["steps"]),
    )


def _trained(
    flow: ContinuousFlow, params: PyTree, x: Array, steps: int, rate: float, key: PRNGKeyArray, advance: Advance
) -> tuple[PyTree, np.ndarray]:
    import optax

    optimizer = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def step(carry: tuple[PyTree, Any], step_key: PRNGKeyArray) -> tuple[tuple[PyTree, Any], Array]:
        params, state = carry
        batch = x[jax.random.randint(step_key, (_BATCH,), 0, len(x))]
        loss, gradient = jax.value_and_grad(lambda params: -jnp.mean(flow.log_density(params, batch)))(params)
        updates, state = optimizer.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), loss

    @jax.jit
    def chunk(carry: tuple[PyTree, Any], keys: PRNGKeyArray) -> tuple[tuple[PyTree, Any], Array]:
        return jax.lax.scan(step, carry, keys)

    carry, losses = (params, optimizer.init(params)), []
    keys = jax.random.split(key, steps)
    for start in range(0, steps, _CHUNK):
        carry, some = chunk(carry, keys[start : start + _CHUNK])
        losses.append(np.asarray(some))
        advance(f"step {min(start + _CHUNK, steps)}, loss {some[-1]:.3f}")
    return carry[0], np.concatenate(losses)


def _gaussian(train: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Log densities of `x` under the normal law that is most likely to have given `train`."""
    mean, covariance = train.mean(0), np.cov(train.T, bias=True)
    white = np.linalg.solve(np.linalg.cholesky(covariance), (x - mean).T)
    return -0.5 * (white**2).sum(0) - 0.5 * np.linalg.slogdet(covariance)[1] - x.shape[1] / 2 * math.log(2 * math.pi)


def steps_told(steps: int) -> int:
    """How often `flow` tells of its progress."""
    return -(-steps // _CHUNK) + 2
