"""Gauss-Legendre quadrature of Gaussian expectations on panels that end at kinks and shrink geometrically towards zero.

A Gauss-Hermite rule of 80 nodes errs by 2e-3 on a ReLU. Between kinks a function is smooth and Gauss-Legendre converges
geometrically; the panels' grading resolves functions whose scale is anything from 1e-4 to 10 standard deviations.
"""

from functools import cache

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

REACH = 13.0
"""Where a standard Gaussian is cut, in standard deviations: beyond it every product with a Hermite polynomial is below rounding."""

_HALF_GRID = (
    1e-4,
    4e-4,
    1.5e-3,
    5e-3,
    0.015,
    0.05,
    0.15,
    0.4,
    0.9,
    1.5,
    2.2,
    3.0,
    4.0,
    5.0,
    6.2,
    7.6,
    9.2,
    11.0,
    REACH,
)
GRADED = tuple(-b for b in reversed(_HALF_GRID)) + (0.0, *_HALF_GRID)
"""Panel ends for a function with structure at zero on any scale."""
PLAIN = (-REACH, -9.0, -6.5, -4.5, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.5, 6.5, 9.0, REACH)
"""Panel ends for a function that is smooth on the scale of one standard deviation."""


@cache
def _legendre(order: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(order)


def gaussian_panels(
    ends: Float[Array, "*batch ends"], order: int
) -> tuple[Float[Array, "*batch n"], Float[Array, "*batch n"]]:
    """Nodes and weights of `E[f(z)]`, `z ~ N(0, 1)`, by `order` nodes on each panel between consecutive sorted `ends`."""
    nodes, weights = (jnp.asarray(v, ends.dtype) for v in _legendre(order))
    half = (ends[..., 1:] - ends[..., :-1])[..., None] / 2
    z = ends[..., :-1, None] + half * (1 + nodes)
    w = half * weights * jnp.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return z.reshape(*ends.shape[:-1], -1), w.reshape(*ends.shape[:-1], -1)


@cache
def graded_rule(order: int) -> tuple[np.ndarray, np.ndarray]:
    """The rule on the panels `GRADED`, as float64 constants."""
    nodes, weights = _legendre(order)
    ends = np.asarray(GRADED)
    half = np.diff(ends)[:, None] / 2
    z = (ends[:-1, None] + half * (1 + nodes)).ravel()
    return z, (half * weights).ravel() * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


def panel_ends(fixed: tuple[float, ...], moving: list[Float[Array, "*batch"]]) -> Float[Array, "*batch ends"]:
    """Sorted panel ends: `fixed` ones, and `moving` ones clipped to the reach of the Gaussian."""
    grid = jnp.asarray(fixed, moving[0].dtype)
    columns = [jnp.clip(m, -REACH, REACH)[..., None] for m in moving]
    return jnp.sort(
        jnp.concatenate([jnp.broadcast_to(grid, (*moving[0].shape, len(fixed))), *columns], axis=-1), axis=-1
    )
