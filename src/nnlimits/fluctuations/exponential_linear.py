"""Exponential linear units, whose expectations over one normal number have closed forms.

With `u = mean + deviation x`, `E[exp(r u); u < 0]` is a normal probability of a shifted mean, and integration by parts gives
the Hermite coefficients one after another: `sqrt(j) T_j = deviation T_(j-1) - density h_(j-1)` at the kink.
"""

import math
from functools import cache, singledispatch
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.fluctuations.piecewise_linear import hermite_polynomials, tail

_WIDE = 30.0
"""A variance beyond which the recursion amplifies rounding (by `exp(variance / 2)`, 3e6 there), and quadrature is good."""
_FAR = {np.dtype(np.float32): 10.0}
"""Standard deviations beyond which a probability is known from its asymptotic series (in double precision 35)."""
_SELU = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


class ExponentialLinear(NamedTuple):
    """`above u` where `u` is positive, `below (exp(u) - 1)` elsewhere."""

    below: Float[Array, ""]
    above: Float[Array, ""]


@singledispatch
def exponential_linear(activation: nn.Layer, dtype: jnp.dtype) -> ExponentialLinear | None:
    """The two coefficients of a nonlinearity, or `None` if it is not of this kind."""
    return None


@exponential_linear.register
def _elu(activation: nn.Elu, dtype: jnp.dtype) -> ExponentialLinear:
    return ExponentialLinear(jnp.asarray(activation.alpha, dtype), jnp.ones((), dtype))


@exponential_linear.register
def _selu(activation: nn.Selu, dtype: jnp.dtype) -> ExponentialLinear:
    alpha, scale = _SELU
    return ExponentialLinear(jnp.asarray(scale * alpha, dtype), jnp.asarray(scale, dtype))


@exponential_linear.register
def _elementwise(activation: nn.Elementwise, dtype: jnp.dtype) -> ExponentialLinear | None:
    if activation.function in (jax.nn.elu, jax.nn.celu):
        return _elu(nn.Elu(), dtype)
    return _selu(nn.Selu(), dtype) if activation.function is jax.nn.selu else None


def squares(
    function: ExponentialLinear, mean: Float[Array, " nodes"], deviation: Float[Array, ""]
) -> Float[Array, "5 nodes"]:
    """Expectations of `phi, phi', phi^2, phi phi', phi'^2` over `u ~ N(mean, deviation^2)`."""
    below, above = function
    _, density, positive = tail(0.0, mean, deviation)
    negative = 1 - positive
    once, twice = (_exponential(r, mean, deviation) for r in (1, 2))
    first = mean * positive + deviation * density
    second = (mean**2 + deviation**2) * positive + deviation * mean * density
    return jnp.stack(
        [
            above * first + below * (once - negative),
            above * positive + below * once,
            above**2 * second + below**2 * (twice - 2 * once + negative),
            above**2 * first + below**2 * (twice - once),
            above**2 * positive + below**2 * twice,
        ]
    )


def _exponential(rate: int, mean: Float[Array, " nodes"], deviation: Float[Array, ""]) -> Float[Array, " nodes"]:
    """`E[exp(rate u); u < 0]`: a probability and an exponential, whose product alone is a moderate number in the far tail."""
    safe = jnp.where(deviation > 0, deviation, 1.0)
    t = -mean / safe
    shifted = t - rate * safe
    far = shifted < -_FAR.get(mean.dtype, 35.0)
    power = jnp.where(far, 0.0, rate * mean + (rate * safe) ** 2 / 2)
    near = jnp.exp(power) * jax.scipy.special.erfc(-jnp.where(far, 0.0, shifted) / math.sqrt(2)) / 2
    x = jnp.where(far, shifted, -1.0)
    series = 1 - (1 - (3 - (15 - 105 / x**2) / x**2) / x**2) / x**2
    beyond = -jnp.exp(-(jnp.where(far, t, 0.0) ** 2) / 2) * series / (math.sqrt(2 * math.pi) * x)
    spread = jnp.where(far, beyond, near)
    return jnp.where(deviation > 0, spread, jnp.exp(rate * jnp.minimum(mean, 0.0)) * (mean <= 0))


def hermite_coefficients(
    function: ExponentialLinear, mean: Float[Array, " nodes"], deviation: Float[Array, ""], terms: int
) -> Float[Array, "terms 2 nodes"]:
    """`E[f(mean + deviation x) h_j(x)]` for `f` the function and its derivative, `h_j` normalised, `x ~ N(0, 1)`."""
    below, above = function
    value = squares(function, mean, deviation)[0]
    t, density, positive = tail(0.0, mean, deviation)
    j = jnp.arange(1, terms, dtype=mean.dtype)[:, None]
    edge = density * hermite_polynomials(t, terms - 1) / jnp.sqrt(j)
    edge = jnp.concatenate([positive[None], edge])
    exponential = jax.lax.cond(deviation**2 < _WIDE, _by_parts, _by_quadrature, mean, deviation, edge)
    slope = above * edge + below * exponential
    return jnp.stack([jnp.concatenate([value[None], deviation * slope[:-1] / jnp.sqrt(j)]), slope], axis=1)


def _by_parts(mean: Array, deviation: Array, edge: Float[Array, "terms nodes"]) -> Float[Array, "terms nodes"]:
    """`E[exp(u) h_j(x); u < 0]`, from one term to the next."""

    def step(before: Array, term: tuple[Array, Array]) -> tuple[Array, Array]:
        j, change = term
        after = deviation * before / jnp.sqrt(j) - change
        return after, after

    first = _exponential(1, mean, deviation)
    j = jnp.arange(1, len(edge), dtype=mean.dtype)
    return jnp.concatenate([first[None], jax.lax.scan(step, first, (j, edge[1:]))[1]])


def _by_quadrature(mean: Array, deviation: Array, edge: Float[Array, "terms nodes"]) -> Float[Array, "terms nodes"]:
    """The same by Gauss and Laguerre's rule: the exponential is short against the deviation."""
    nodes, weights = (jnp.asarray(v, mean.dtype)[:, None] for v in _laguerre(24))
    wide = jnp.maximum(deviation, 1.0)
    x = -(mean + nodes) / wide
    density = weights * jnp.exp(-(x**2) / 2) / (math.sqrt(2 * math.pi) * wide)

    def step(carry: tuple[Array, Array], j: Array) -> tuple[tuple[Array, Array], Array]:
        before, now = carry
        after = (x * now - jnp.sqrt(j) * before) / jnp.sqrt(j + 1)
        return (now, after), now.sum(0)

    return jax.lax.scan(step, (jnp.zeros_like(x), density), jnp.arange(len(edge), dtype=x.dtype))[1]


@cache
def _laguerre(order: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.laguerre.laggauss(order)
