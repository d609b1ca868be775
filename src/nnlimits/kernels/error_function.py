"""Duals of the error-function family: `Erf` (Williams 1997) and the exact `Gelu` (Tsuchida, Pearce et al. 2021)."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels.angles import arctangent
from nnlimits.kernels.covariance import safe_sqrt
from nnlimits.kernels.dual import Dual, Moments, dual, moments
from nnlimits.kernels.quadrature import quadrature_dual, quadrature_moments
from nnlimits.kernels.smooth import smooth_dual

Values = Float[Array, "..."]


@moments.register
def _erf(activation: nn.Erf, q1: Values, q2: Values, deficit: Values) -> Moments:
    """`E[erf erf] = (2 / pi) arcsin(k / sqrt((1 + q1) (1 + q2)))` for units scaled by `sqrt(2) b`."""
    scale = 2 * activation.b**2
    p1, p2 = scale * q1, scale * q2
    s = safe_sqrt(p1) * safe_sqrt(p2)
    cosine = jnp.sqrt(1 + p1 + p2 + s**2 * deficit * (2 - deficit))
    value = activation.a**2 * (2 / np.pi) * arctangent(s * (1 - deficit), cosine) + activation.c**2
    return Moments(value, activation.a**2 * (2 / np.pi) * scale / cosine)


@moments.register
def _gelu(activation: nn.Gelu, q1: Values, q2: Values, deficit: Values) -> Moments:
    """By Stein's lemma from `E[Phi Phi] = 1/4 + arcsin(k / sqrt((1 + q1) (1 + q2))) / 2 pi`."""
    if activation.approximate:
        return quadrature_moments(activation, q1, q2, deficit)
    s = safe_sqrt(q1) * safe_sqrt(q2)
    k = s * (1 - deficit)
    determinant = s**2 * deficit * (2 - deficit)
    shifted = 1 + q1 + q2 + determinant
    density = 1 / (2 * np.pi * jnp.sqrt(shifted))
    both = 0.25 + arctangent(k, jnp.sqrt(shifted)) / (2 * np.pi)
    sides = 1 / (1 + q1) + 1 / (1 + q2)
    value = k * both + density * (determinant + k**2 * sides)
    return Moments(value, both + density * k * (sides + 1 / shifted))


@dual.register
def _gelu_dual(activation: nn.Gelu, q1: Values, q2: Values, deficit: Values) -> Dual:
    if activation.approximate:
        return quadrature_dual(activation, q1, q2, deficit)
    return smooth_dual(lambda p1, p2, d: moments(activation, p1, p2, d), q1, q2, deficit)
