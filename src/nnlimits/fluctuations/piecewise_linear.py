"""Piecewise linear nonlinearities, whose expectations over one normal number have closed forms."""

import math
from functools import singledispatch
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits import nn

_REACH = 12.0
"""Where the tail of a Gaussian is cut, in standard deviations: its density there is still normal in single precision."""


class PiecewiseLinear(NamedTuple):
    """`slopes[0] u + intercept` below the first kink, and `slopes[i]` after the i-th, continuous."""

    kinks: tuple[float, ...]
    slopes: tuple[Float[Array, ""], ...]
    intercept: float

    @property
    def pieces(self) -> list[tuple[Array, Array]]:
        """Intercept and slope of each piece."""
        pieces = [(jnp.asarray(self.intercept, self.slopes[0].dtype), self.slopes[0])]
        for kink, slope in zip(self.kinks, self.slopes[1:], strict=True):
            intercept, before = pieces[-1]
            pieces.append((intercept + (before - slope) * kink, slope))
        return pieces


@singledispatch
def piecewise_linear(activation: nn.Layer, dtype: jnp.dtype) -> PiecewiseLinear | None:
    """The pieces of a nonlinearity, or `None` if it is not of this kind."""
    return None


@piecewise_linear.register
def _relu(activation: nn.Relu, dtype: jnp.dtype) -> PiecewiseLinear:
    return _two(0.0, 1.0, dtype)


@piecewise_linear.register
def _leaky(activation: nn.LeakyRelu, dtype: jnp.dtype) -> PiecewiseLinear:
    return _two(activation.negative_slope, 1.0, dtype)


@piecewise_linear.register
def _ab(activation: nn.ABRelu, dtype: jnp.dtype) -> PiecewiseLinear:
    return _two(activation.a, activation.b, dtype)


@piecewise_linear.register
def _abs(activation: nn.Abs, dtype: jnp.dtype) -> PiecewiseLinear:
    return _two(-1.0, 1.0, dtype)


@piecewise_linear.register
def _hard_tanh(activation: nn.HardTanh, dtype: jnp.dtype) -> PiecewiseLinear:
    zero, one = jnp.zeros((), dtype), jnp.ones((), dtype)
    return PiecewiseLinear(activation.kinks, (zero, one, zero), -1.0)


def _two(below: float | Array, above: float | Array, dtype: jnp.dtype) -> PiecewiseLinear:
    return PiecewiseLinear((0.0,), (jnp.asarray(below, dtype), jnp.asarray(above, dtype)), 0.0)


def squares(
    function: PiecewiseLinear, mean: Float[Array, " nodes"], deviation: Float[Array, ""]
) -> Float[Array, "5 nodes"]:
    """Expectations of `phi, phi', phi^2, phi phi', phi'^2` over `u ~ N(mean, deviation^2)`."""
    polynomials = []
    for a, b in function.pieces:
        zero = jnp.zeros_like(a)
        polynomials.append(
            jnp.stack(
                [
                    jnp.stack([a, b, zero]),
                    jnp.stack([b, zero, zero]),
                    jnp.stack([a**2, 2 * a * b, b**2]),
                    jnp.stack([a * b, b**2, zero]),
                    jnp.stack([b**2, zero, zero]),
                ]
            )
        )
    powers = jnp.stack([jnp.ones_like(mean), mean, mean**2 + deviation**2])
    total = polynomials[0] @ powers
    for kink, before, after in zip(function.kinks, polynomials[:-1], polynomials[1:], strict=True):
        _, density, above = tail(kink, mean, deviation)
        first = mean * above + deviation * density
        second = (mean**2 + deviation**2) * above + deviation * (mean + kink) * density
        total += (after - before) @ jnp.stack([above, first, second])
    return total


def hermite_coefficients(
    function: PiecewiseLinear, mean: Float[Array, " nodes"], deviation: Float[Array, ""], terms: int
) -> Float[Array, "terms 2 nodes"]:
    """`E[f(mean + deviation x) h_j(x)]` for `f` the function and its derivative, `h_j` normalised, `x ~ N(0, 1)`."""
    first = squares(function, mean, deviation)[:2]
    value = jnp.zeros((terms, *mean.shape), mean.dtype).at[0].set(first[0]).at[1].set(deviation * first[1])
    slope = jnp.zeros_like(value).at[0].set(first[1])
    j = jnp.arange(1, terms, dtype=mean.dtype)[:, None]
    for kink, before, after in zip(function.kinks, function.slopes[:-1], function.slopes[1:], strict=True):
        t, density, _ = tail(kink, mean, deviation)
        change = (after - before) * density * hermite_polynomials(t, terms - 1)  # at j, with h_(j-1)
        slope = slope.at[1:].add(change / jnp.sqrt(j))
        value = value.at[2:].add(deviation * change[:-1] / jnp.sqrt(j[1:] * j[:-1]))
    return jnp.stack([value, slope], axis=1)


def tail(kink: float, mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
    """The kink in standard deviations from the mean, the density there, and the probability above it."""
    positive = deviation > 0
    t = (kink - mean) / jnp.where(positive, deviation, 1.0)
    beyond = jnp.where(kink < mean, -_REACH, _REACH)
    t = jnp.where(positive, jnp.clip(t, -_REACH, _REACH), beyond)
    density = jnp.where(positive, jnp.exp(-(t**2) / 2) / math.sqrt(2 * math.pi), 0.0)
    return t, density, jax.scipy.special.erfc(t / math.sqrt(2)) / 2


def hermite_polynomials(t: Float[Array, " nodes"], terms: int) -> Float[Array, "terms nodes"]:
    """The normalised probabilists' Hermite polynomials from degree zero up."""

    def step(carry: tuple[Array, Array], j: Array) -> tuple[tuple[Array, Array], Array]:
        before, now = carry
        after = (t * now - jnp.sqrt(j) * before) / jnp.sqrt(j + 1)
        return (now, after), now

    return jax.lax.scan(step, (jnp.zeros_like(t), jnp.ones_like(t)), jnp.arange(terms, dtype=t.dtype))[1]
