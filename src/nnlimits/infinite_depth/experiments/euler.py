"""How fast a residual network of finite depth approaches its differential equation, and when there is none."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from nnlimits import nn
from nnlimits.infinite_depth.discretization import METHODS, residual_network
from nnlimits.progress import Advance, ignore
from nnlimits.rates import FittedRate, fitted_rate

_WIDTH, _CHANNELS, _EXAMPLES, _SPAN = 16, 4, 16, 2.0
_FIELD = nn.Sequential(nn.Dense(_WIDTH, w_std=1.5, b_std=0.5), nn.Tanh(), nn.Dense(_CHANNELS, w_std=1.5))
_EXACT = 1e-12
"""The tolerance of the solution that stands for infinite depth."""

INDEPENDENT = {"independent, scaled by 1/L": 1.0, "independent, scaled by L^(-1/2)": 0.5}
"""Residual networks without a smooth course of their weights: the exponent of the depth that scales their branches."""


class Euler(NamedTuple):
    """Root mean squares over examples and channels, for networks of several depths and draws."""

    depths: Int[np.ndarray, " depths"]
    errors: dict[str, Float[np.ndarray, "depths seeds"]]
    """Of the outputs from those of the differential equation, by method: `"euler"` and `"midpoint"`."""
    moved: dict[str, Float[np.ndarray, "depths seeds"]]
    """Of the outputs from the inputs: `"smooth"`, and the names of `INDEPENDENT`."""

    def rate(self, method: str) -> FittedRate:
        """The power of the depth with which the error of a method falls."""
        return fitted_rate(np.asarray(self.depths, float), self.errors[method])

    def movement(self, name: str) -> FittedRate:
        """The power of the depth with which the distance from the inputs changes."""
        return fitted_rate(np.asarray(self.depths, float), self.moved[name])


def euler(
    depths: Sequence[int] = (4, 16, 64, 256, 1024),
    *,
    seeds: int = 8,
    seed: int = 0,
    advance: Advance = ignore,
) -> Euler:
    """Residual networks of L blocks `x + (2/L) f(x, s)` against `dx/ds = f(x, s)` on [0, 2], for random perceptrons f.

    Blocks with the same weights, and biases affine in s, are Euler's method: the error is of the order 1/L, that of midpoint
    blocks 1/L^2 (Hairer, Norsett & Wanner 1993, theorem II.3.4). Blocks with independent weights have no such limit (Cohen, Cont,
    Rossier & Xu 2021): scaled by 1/L their contributions average out, and the outputs approach the inputs as L^(-1/2); scaled by
    L^(-1/2) they add up to a diffusion, which differs from draw to draw at any depth.

    **Arguments:** `depths`, two or more, ascending; `seeds`, draws of the weights and inputs; `seed`; `advance`, told of each
    depth.

    **Raises:** `ValueError` for fewer than two depths or draws, or depths that do not ascend.
    """
    if len(depths) < 2 or list(depths) != sorted(set(depths)) or min(depths) < 1:
        raise ValueError(
            f"depths must be two or more numbers of blocks that ascend, to fit a rate; received {tuple(depths)}"
        )
    if seeds < 2:
        raise ValueError(f"seeds must be at least 2, for the intervals of rates; received {seeds}")
    ode = nn.NeuralODE(_FIELD, time_dependent=True, span=(0.0, _SPAN), solver="dopri8", rtol=_EXACT, atol=_EXACT)
    errors, moved = {name: [] for name in METHODS}, {name: [] for name in ("smooth", *INDEPENDENT)}
    with jax.enable_x64(True):
        first, second, third = jax.random.split(jax.random.key(seed), 3)
        x = jax.random.normal(first, (seeds, _EXAMPLES, _CHANNELS), np.float64)
        draw = lambda key: ode.init(key, (_CHANNELS,), dtype=np.float64)  # noqa: E731
        params = jax.vmap(draw)(jax.random.split(second, seeds))
        exact = jax.jit(jax.vmap(ode.apply))(params, x)
        advance("the differential equation")
        for depth in depths:
            for name in METHODS:
                errors[name].append(_size(_outputs(ode, params, x, depth, name) - exact))
            moved["smooth"].append(_size(_outputs(ode, params, x, depth, "euler") - x))
            for name, exponent in INDEPENDENT.items():
                moved[name].append(_size(_independent(third, x, depth, exponent) - x))
            advance(f"depth {depth}")
    stacked = ({name: np.stack(rows) for name, rows in found.items()} for found in (errors, moved))
    return Euler(np.asarray(depths), *stacked)


def _outputs(ode: nn.NeuralODE, params: PyTree, x: Array, depth: int, method: str) -> Array:
    @jax.jit
    def outputs(params: PyTree, x: Array) -> Array:
        network, own = residual_network(ode, params, depth, method)
        return network.apply(own, x)

    return jax.vmap(outputs)(params, x)


def _independent(key: Any, x: Array, depth: int, exponent: float) -> Array:
    """Outputs of networks whose blocks are drawn by themselves, of the same field without time."""
    network = nn.Repeat(nn.Residual(nn.Sequential(_FIELD, nn.Scale(_SPAN * depth**-exponent))), depth)

    @jax.jit
    def outputs(key: Any, x: Array) -> Array:
        return network.apply(network.init(key, (_CHANNELS,), dtype=np.float64), x)

    return jax.vmap(outputs)(jax.random.split(key, len(x)), x)


def _size(values: Array) -> np.ndarray:
    return np.asarray(jnp.sqrt(jnp.mean(values**2, axis=(1, 2))))
