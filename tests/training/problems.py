"""Small problems that several tests share."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from nnlimits import nn
from nnlimits.training import Problem

NET = nn.Sequential(nn.Dense(8, b_std=0.2), nn.Tanh(), nn.Dense(2))


def flat(params):
    return ravel_pytree(params)[0]


@functools.cache
def small(loss: str = "mse") -> Problem:
    """A tanh network with 8 units on 6 examples in 3 dimensions, with 2 outputs. Double precision."""
    draw = np.random.default_rng(0)
    x = draw.standard_normal((6, 3))
    y = draw.standard_normal((6, 2)) if loss == "mse" else np.array([0, 1, 0, 0, 1, 1])
    return Problem(NET, NET.init(jax.random.key(0), (3,), dtype=np.float64), x, y, loss)


def linear_product(u, v) -> Problem:
    """`f = n^{-1/2} v^T u x` with one datum x = 1, whose target is 0."""
    one = np.ones((1, 1))
    return Problem(product, (jnp.asarray(u), jnp.asarray(v)), one, 0 * one)


def product(params, x):
    u, v = params
    return x * (u @ v) / len(u) ** 0.5
