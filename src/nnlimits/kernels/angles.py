"""Angles between inputs from the deficit `1 - cos(theta)`, exact to rounding near zero, and fast.

XLA's CPU `arccos` and `atan2` run at 50 million values a second and dominate a kernel. On `m = min(deficit, 2 -
deficit)` in [0, 1] the functions below are `sqrt(m)` times an analytic function whose nearest singularity is `m = 2`,
so a short polynomial through the Chebyshev points reaches rounding, and vectorises.
"""

import math
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.kernels.covariance import at_least

# The lowest degree whose relative error is below a third of the rounding unit in float32, and level with it in float64.
_DEGREE = {
    "arcsine": {jnp.dtype("float32"): 7, jnp.dtype("float64"): 18},
    "excess": {jnp.dtype("float32"): 6, jnp.dtype("float64"): 17},
}


def _arcsine_factor(m: np.ndarray) -> np.ndarray:
    """`theta / sqrt(m)` for `cos(theta) = 1 - m`."""
    return 2 * np.arcsin(np.sqrt(m / 2)) / np.sqrt(m)


def _excess_factor(m: np.ndarray) -> np.ndarray:
    """`(sin(theta) - theta cos(theta)) / m^(3/2)`, by the Taylor series in theta, which does not cancel."""
    theta = 2 * np.arcsin(np.sqrt(m / 2))
    term, total = theta**3 / 6, np.zeros_like(theta)
    for k in range(1, 20):
        total += (1 if k % 2 else -1) * 2 * k * term
        term = term * theta**2 / ((2 * k + 2) * (2 * k + 3))
    return total / m**1.5


@cache
def _coefficients(name: str, degree: int) -> tuple[float, ...]:
    """Coefficients, lowest power of `m` first, of the Chebyshev interpolant on [0, 1]; all positive, so they do not cancel."""
    function = {"arcsine": _arcsine_factor, "excess": _excess_factor}[name]
    points = np.polynomial.chebyshev.chebpts1(degree + 1)
    series = np.polynomial.Chebyshev(
        np.polynomial.chebyshev.chebfit(points, function((points + 1) / 2), degree), domain=[0, 1]
    )
    return tuple(float(c) for c in series.convert(kind=np.polynomial.Polynomial).coef)


def _factor(name: str, m: Float[Array, "*shape"], scale: float) -> Float[Array, "*shape"]:
    """`scale` times the analytic factor."""
    coefficients = _coefficients(name, _DEGREE[name][jnp.dtype(m.dtype)])
    even, odd = (_horner([scale * c for c in coefficients[start::2]], m * m) for start in (0, 1))
    return even + odd * m


def _horner(coefficients: list[float], x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    value = jnp.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        value = value * x + np.asarray(c, x.dtype)
    return value


@jax.custom_jvp
def arc_cosine_deficits(deficit: Float[Array, "*shape"]) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """One minus the arc-cosine kernels of order one and of order zero, `(1 - kappa_1, 1 - kappa_0)` (Cho & Saul 2009, eq. 3-6).

    `kappa_0 = 1 - theta / pi`, `kappa_1 = (sin(theta) + (pi - theta) cos(theta)) / pi`, `cos(theta) = 1 - deficit`. The
    derivative of the second, infinite at `theta = 0` and `pi`, is taken as zero there (the symmetric choice) and is
    finite elsewhere.
    """
    near = deficit <= 1
    m = at_least(jnp.where(near, deficit, 2 - deficit), 0.0)
    root = jnp.sqrt(m)
    angle = root * _factor("arcsine", m, 1 / math.pi)
    excess = root * m * _factor("excess", m, 1 / math.pi)
    return jnp.where(near, deficit, 1.0) - excess, jnp.where(near, angle, 1 - angle)


@arc_cosine_deficits.defjvp
def _(primals, tangents):
    (deficit,), (tangent,) = primals, tangents
    order1, order0 = arc_cosine_deficits(deficit)
    squared_sine = deficit * (2 - deficit)
    safe = jnp.where(squared_sine > 0, squared_sine, 1.0)
    slope = jnp.where(squared_sine > 0, jax.lax.rsqrt(safe), 0.0) / np.pi
    return (order1, order0), ((1 - order0) * tangent, slope * tangent)


@jax.custom_jvp
def angle_of(sine: Float[Array, "*shape"], cosine: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The angle in [-pi/2, pi/2] with this sine and (non-negative) cosine.

    Equal to `arcsin(sine)` without the loss of half of the digits near +-1, where the cosine is known.
    """
    size = jnp.abs(sine)
    steep = size > cosine
    shorter = jnp.where(steep, cosine, size)
    # asin(x) = theta / 2 for m = 2 x^2 in [0, 1]
    angle = shorter * _factor("arcsine", 2 * shorter**2, math.sqrt(0.5))
    angle = jnp.where(steep, math.pi / 2 - angle, angle)
    return jnp.where(sine < 0, -angle, angle)


@angle_of.defjvp
def _(primals, tangents):
    (sine, cosine), (d_sine, d_cosine) = primals, tangents
    return angle_of(sine, cosine), cosine * d_sine - sine * d_cosine
