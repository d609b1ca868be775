"""Duals of the error-function family: `Erf` (Williams 1997) and the exact `Gelu` (Tsuchida, Pearce et al. 2021)."""

import math

import jax
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels.angles import angle_of
from nnlimits.kernels.covariance import per_row, safe_sqrt
from nnlimits.kernels.dual import Dual, Moments, dual, moments
from nnlimits.kernels.quadrature import quadrature_dual, quadrature_moments
from nnlimits.kernels.smooth import smooth_dual

Values = Float[Array, "..."]


@moments.register
def _erf(activation: nn.Erf, q1: Values, q2: Values, deficit: Values) -> Moments:
    """`E[erf erf] = (2 / pi) arcsin(k / sqrt((1 + q1) (1 + q2)))` for units scaled by `sqrt(2) b`."""
    scale = 2 * activation.b**2
    angle, _, inverse = _normal_angle(scale * q1, scale * q2, deficit)
    value = activation.a**2 * (2 / math.pi) * angle + activation.c**2
    return Moments(value, activation.a**2 * (2 / math.pi) * scale * inverse)


@moments.register
def _gelu(activation: nn.Gelu, q1: Values, q2: Values, deficit: Values) -> Moments:
    """By Stein's lemma from `E[Phi Phi] = 1/4 + arcsin(k / sqrt((1 + q1) (1 + q2))) / 2 pi`."""
    if activation.approximate:
        return quadrature_moments(activation, q1, q2, deficit)
    angle, k, inverse = _normal_angle(q1, q2, deficit)
    both = 0.25 + angle / (2 * math.pi)
    density = inverse / (2 * math.pi)
    side1, side2 = per_row(1 / (1 + q1), 1 / (1 + q2))
    sides = side1 + side2
    determinant = q1 * q2 * deficit * (2 - deficit)
    value = k * both + density * (determinant + k**2 * sides)
    return Moments(value, both + density * k * (sides + inverse**2))


def _normal_angle(q1: Values, q2: Values, deficit: Values) -> tuple[Values, Values, Values]:
    """`arcsin(k / sqrt((1 + q1) (1 + q2)))`, `k`, and `1 / sqrt((1 + q1) (1 + q2) - k^2)`; one square root a pair."""
    r1, r2, length1, length2 = per_row(safe_sqrt(q1), safe_sqrt(q2), jax.lax.rsqrt(1 + q1), jax.lax.rsqrt(1 + q2))
    k = r1 * r2 * (1 - deficit)
    shifted = 1 + q1 + q2 + q1 * q2 * deficit * (2 - deficit)
    inverse = jax.lax.rsqrt(shifted)
    length = length1 * length2
    return angle_of(k * length, shifted * inverse * length), k, inverse


@dual.register
def _gelu_dual(activation: nn.Gelu, q1: Values, q2: Values, deficit: Values) -> Dual:
    if activation.approximate:
        return quadrature_dual(activation, q1, q2, deficit)
    return smooth_dual(lambda p1, p2, d: moments(activation, p1, p2, d), q1, q2, deficit)
