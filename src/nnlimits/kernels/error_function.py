"""Duals of the error-function family: `Erf` (Williams 1997) and the exact `Gelu` (Tsuchida, Pearce et al. 2021)."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels.angles import angle_of
from nnlimits.kernels.covariance import safe_sqrt
from nnlimits.kernels.dual import Dual, Moments, dual, moments
from nnlimits.kernels.per_input import per_input
from nnlimits.kernels.quadrature import quadrature_dual, quadrature_moments
from nnlimits.kernels.smooth import smooth_dual

Values = Float[Array, "..."]


@moments.register
def _erf(activation: nn.Erf, q1: Values, q2: Values, deficit: Values) -> Moments:
    """`E[erf erf] = (2 / pi) arcsin(k / sqrt((1 + q1) (1 + q2)))` for units scaled by `sqrt(2) b`."""
    scale = 2 * activation.b**2
    sine, secant, cosine = _augmented(scale * q1, scale * q2, deficit)
    size = activation.a**2 * (2 / math.pi)
    length1, length2 = per_input(lambda q: jax.lax.rsqrt(1 + scale * q), q1, q2)
    derivative = (size * scale * length1) * length2 * secant
    return Moments(size * angle_of(sine, cosine) + activation.c**2, derivative)


@moments.register
def _gelu(activation: nn.Gelu, q1: Values, q2: Values, deficit: Values) -> Moments:
    """By Stein's lemma from `E[Phi Phi] = 1/4 + angle / 2 pi`, `angle = arcsin(k / sqrt((1 + q1) (1 + q2)))`.

    With `s` and `c` the angle's sine and cosine, `l_i = 1 / sqrt(1 + q_i)` and `w_i = q_i l_i^2`,

        E[gelu gelu]   = k E[Phi Phi] + (l_1 l_2 / 2 pi c) (q_1 q_2 deficit (2 - deficit) + k^2 (l_1^2 + l_2^2)),
        E[gelu' gelu'] = E[Phi Phi] + (s / 2 pi c) (l_1^2 + l_2^2 + l_1^2 l_2^2 / c^2).
    """
    if activation.approximate:
        return quadrature_moments(activation, q1, q2, deficit)
    sine, secant, cosine = _augmented(q1, q2, deficit)
    both = 0.25 + angle_of(sine, cosine) / (2 * math.pi)
    (r1, side1, span1), (r2, side2, span2) = per_input(
        lambda q: (safe_sqrt(q), 1 / (1 + q), q * jax.lax.rsqrt(1 + q)), q1, q2
    )
    sides, density = side1 + side2, secant / (2 * math.pi)
    k = r1 * r2 * (1 - deficit)
    value = k * both + density * (span1 * span2 * (deficit * (2 - deficit)) + k * sine * sides)
    return Moments(value, both + density * sine * (sides + side1 * side2 * secant**2))


def _augmented(q1: Values, q2: Values, deficit: Values) -> tuple[Values, Values, Values]:
    """Sine, secant and cosine of `arcsin(k / sqrt((1 + q1) (1 + q2)))`; the cosine from what is left of the variances.

    `cos^2 = 1 - s^2` is `u2 + w2 (u1 + w1 deficit (2 - deficit))`, with `u = 1 / (1 + q)` and `w = q u`.
    """
    (u1, w1, length1), (u2, w2, length2) = per_input(
        lambda q: (1 / (1 + q), q / (1 + q), safe_sqrt(q / (1 + q))), q1, q2
    )
    squared = u2 + w2 * (u1 + w1 * (deficit * (2 - deficit)))
    secant = 1 / jnp.sqrt(squared)
    return length1 * length2 * (1 - deficit), secant, squared * secant


@dual.register
def _gelu_dual(activation: nn.Gelu, q1: Values, q2: Values, deficit: Values) -> Dual:
    if activation.approximate:
        return quadrature_dual(activation, q1, q2, deficit)
    return smooth_dual(lambda p1, p2, d: moments(activation, p1, p2, d), q1, q2, deficit)
