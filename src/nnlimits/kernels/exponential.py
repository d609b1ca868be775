"""Duals of exponentials of linear and quadratic functions: `Sin`, `Cos`, `Rbf`, `Exp`, `ExpNormalized`, `Gaussian`, `Gabor`.

All follow from the Gaussian integral `E[exp(b . z)] = exp(b^T K b / 2)`, tilted by `exp(-a z^2)` for the last two.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels.covariance import safe_sqrt
from nnlimits.kernels.dual import Dual, Moments, dual, moments
from nnlimits.kernels.per_input import per_input

Values = Float[Array, "..."]


def _wave(b, q1: Values, q2: Values, deficit: Values) -> tuple[Values, Values]:
    """`(E[cos b(u - v)] - E[cos b(u + v)]) / 2` and `E[cos b(u + v)]`, the first without cancellation."""
    r1, r2 = per_input(safe_sqrt, q1, q2)
    apart = (r1 - r2) ** 2 + 2 * r1 * r2 * deficit
    k = r1 * r2 * (1 - deficit)
    # With d = q1 + q2 - 2 k and e = q1 + q2 + 2 k: exp(-b^2 d / 2) - exp(-b^2 e / 2), from the larger of the two.
    together = (r1 - r2) ** 2 + 2 * r1 * r2 * (2 - deficit)
    difference = _half_difference(jnp.where(k >= 0, apart, together) * b**2 / 2, b**2 * k)
    return difference, jnp.exp(-(b**2) * together / 2)


def _half_difference(smaller: Values, m: Values) -> Values:
    """`exp(-centre) sinh(m)`, given `smaller = centre - |m|`; its derivatives are right at `m = 0` too, unlike those of `|m|`."""
    positive = m >= 0
    return jnp.where(positive, -1, 1) * jnp.exp(-smaller) * jnp.expm1(2 * jnp.where(positive, -m, m)) / 2


def _shifted_sine(a, b, sine2, cosine2, q1: Values, q2: Values, deficit: Values) -> Moments:
    """`a sin(b x + c)`, given the squares of the sine and cosine of `c`."""
    difference, together = _wave(b, q1, q2, deficit)
    return Moments(a**2 * (difference + sine2 * together), a**2 * b**2 * (difference + cosine2 * together))


@moments.register
def _sin(activation: nn.Sin, q1: Values, q2: Values, deficit: Values) -> Moments:
    sine2, cosine2 = jnp.sin(activation.c) ** 2, jnp.cos(activation.c) ** 2
    return _shifted_sine(activation.a, activation.b, sine2, cosine2, q1, q2, deficit)


@moments.register
def _cos(activation: nn.Cos, q1: Values, q2: Values, deficit: Values) -> Moments:
    sine2, cosine2 = jnp.sin(activation.c) ** 2, jnp.cos(activation.c) ** 2
    return _shifted_sine(activation.a, activation.b, cosine2, sine2, q1, q2, deficit)


@moments.register
def _rbf(activation: nn.Rbf, q1: Values, q2: Values, deficit: Values) -> Moments:
    """`exp(-gamma (q1 + q2 - 2 k))`, the Gaussian kernel of the pre-activations (Rahimi & Recht 2007)."""
    r1, r2 = per_input(safe_sqrt, q1, q2)
    value = jnp.exp(-activation.gamma * ((r1 - r2) ** 2 + 2 * r1 * r2 * deficit))
    return Moments(value, 2 * activation.gamma * value)


@moments.register
def _exp(activation: nn.Exp, q1: Values, q2: Values, deficit: Values) -> Moments:
    r1, r2 = per_input(safe_sqrt, q1, q2)
    k = r1 * r2 * (1 - deficit)
    value = activation.a**2 * jnp.exp(activation.b**2 * (q1 + q2 + 2 * k) / 2)
    return Moments(value, activation.b**2 * value)


@dual.register
def _exp_normalized(activation: nn.ExpNormalized, q1: Values, q2: Values, deficit: Values) -> Dual:
    """`sqrt(q1 q2) exp(gamma (c + shift))`, with `c` the correlation (Shankar et al. 2020, section 4)."""
    gain = jnp.exp(activation.gamma * (1 + activation.shift))
    after = -jnp.expm1(-activation.gamma * deficit)
    return Dual(gain * q1, gain * q2, after, activation.gamma * gain * jnp.exp(-activation.gamma * deficit))


@moments.register
def _gaussian(activation: nn.Gaussian, q1: Values, q2: Values, deficit: Values) -> Moments:
    """`E[exp(b u^2 + b v^2)] = det(I - 2 b K)^(-1/2)`; infinite where `2 b` reaches the inverse of an eigenvalue of `K`."""
    b = activation.b
    r1, r2 = per_input(safe_sqrt, q1, q2)
    s = r1 * r2
    determinant = 1 - 2 * b * (q1 + q2) + 4 * b**2 * s**2 * deficit * (2 - deficit)
    value = activation.a**2 * jax.lax.rsqrt(determinant)
    return Moments(value, 4 * b**2 * s * (1 - deficit) * value / determinant)


@moments.register
def _gabor(activation: nn.Gabor, q1: Values, q2: Values, deficit: Values) -> Moments:
    """`exp(-x^2) sin(x)`: the sine's dual under the tilted covariance `K (I + 2 K)^(-1)`."""
    r1, r2 = per_input(safe_sqrt, q1, q2)
    s = r1 * r2
    k = s * (1 - deficit)
    gram = s**2 * deficit * (2 - deficit)

    def value(k: Values, gram: Values) -> Values:
        determinant = 1 + 2 * (q1 + q2) + 4 * gram
        m = k / determinant
        spread = (q1 + q2 + 4 * gram) / determinant
        return jax.lax.rsqrt(determinant) * _half_difference(spread / 2 - jnp.where(m >= 0, m, -m), m)

    # Price's theorem: E[phi' phi'] is the derivative in k, along which gram = q1 q2 - k^2 moves by -2 k.
    return Moments(*jax.jvp(value, (k, gram), (jnp.ones_like(k), -2 * k)))
