"""Duals of positively homogeneous and sign-like activations: the arc-cosine family (Cho & Saul 2009)."""

from functools import cache

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels.angles import arc_cosine_deficits
from nnlimits.kernels.covariance import safe_sqrt, tiny
from nnlimits.kernels.dual import Dual, Moments, dual, moments
from nnlimits.kernels.per_input import per_input
from nnlimits.kernels.smooth import smooth_dual

Values = Float[Array, "..."]


def _two_slopes(negative, positive, q1: Values, q2: Values, deficit: Values) -> Dual:
    """`phi(x) = negative min(x, 0) + positive max(x, 0)`.

    `E[phi phi] = sqrt(q1 q2) [(positive - negative)^2 kappa_1 / 2 + negative positive (1 - deficit)]`.
    """
    bend, line = (positive - negative) ** 2 / 2, negative * positive
    order1, order0 = arc_cosine_deficits(deficit)
    gain = bend + line
    after = (bend * order1 + line * deficit) / (gain + tiny(deficit.dtype))
    return Dual(gain * q1, gain * q2, after, bend * (1 - order0) + line)


@dual.register
def _relu(activation: nn.Relu, q1: Values, q2: Values, deficit: Values) -> Dual:
    order1, order0 = arc_cosine_deficits(deficit)
    return Dual(q1 / 2, q2 / 2, order1, (1 - order0) / 2)


@dual.register
def _leaky_relu(activation: nn.LeakyRelu, q1: Values, q2: Values, deficit: Values) -> Dual:
    return _two_slopes(activation.negative_slope, 1.0, q1, q2, deficit)


@dual.register
def _ab_relu(activation: nn.ABRelu, q1: Values, q2: Values, deficit: Values) -> Dual:
    return _two_slopes(activation.a, activation.b, q1, q2, deficit)


@dual.register
def _abs(activation: nn.Abs, q1: Values, q2: Values, deficit: Values) -> Dual:
    return _two_slopes(-1.0, 1.0, q1, q2, deficit)


@dual.register
def _step(activation: nn.Step, q1: Values, q2: Values, deficit: Values) -> Dual:
    """The derivative is zero almost everywhere, so training never reaches the layers below."""
    _, order0 = arc_cosine_deficits(deficit)
    return Dual(jnp.full_like(q1, 0.5), jnp.full_like(q2, 0.5), order0, jnp.zeros_like(deficit))


@dual.register
def _sign(activation: nn.Sign, q1: Values, q2: Values, deficit: Values) -> Dual:
    _, order0 = arc_cosine_deficits(deficit)
    return Dual(jnp.ones_like(q1), jnp.ones_like(q2), 2 * order0, jnp.zeros_like(deficit))


@cache
def _arc_cosine_polynomials(degree: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """`(P, Q)` with `2 pi E[relu(u)^n relu(v)^n] = P(c) sin(theta) + Q(c) (pi - theta)` at unit variances, lowest power first.

    By Price's theorem the left side `J_n` has `dJ_n/dc = n^2 J_{n-1}`, and `J_0 = pi - theta`. With `d sin / dc = -c /
    sin` and `d(pi - theta) / dc = 1 / sin` this says `Q' = n^2 Q_old` and `P' (1 - c^2) - c P + Q = n^2 (1 - c^2)
    P_old`, which is solved from the highest power down; the lowest fixes the constant of `Q`.
    """
    sine, angle = [0.0], [1.0]
    for n in range(1, degree + 1):
        new_angle = [0.0] + [n**2 * a / (k + 1) for k, a in enumerate(angle)]
        known = np.zeros(n + 3)
        known[: len(sine)] += n**2 * np.asarray(sine)
        known[2 : 2 + len(sine)] -= n**2 * np.asarray(sine)
        new_sine = [0.0] * (n + 2)
        for k in range(n, 0, -1):
            new_sine[k - 1] = ((k + 1) * new_sine[k + 1] + new_angle[k] - known[k]) / k
        new_angle[0] = float(known[0]) - new_sine[1]
        sine, angle = [float(v) for v in new_sine[:n]], new_angle
    return tuple(sine), tuple(angle)


def _rectified(degree: int, q1: Values, q2: Values, deficit: Values) -> Values:
    """`E[relu(u)^n relu(v)^n]`."""
    sine, angle = _arc_cosine_polynomials(degree)
    _, order0 = arc_cosine_deficits(deficit)
    c = 1 - deficit
    squared = jnp.clip(deficit * (2 - deficit), 0.0, 1.0)
    total = jnp.polyval(jnp.asarray(sine[::-1], c.dtype), c) * safe_sqrt(squared)
    total += jnp.polyval(jnp.asarray(angle[::-1], c.dtype), c) * np.pi * (1 - order0)
    # input by input: the product of two small variances is below all numbers
    scale1, scale2 = per_input(lambda q: safe_sqrt(q) ** degree, q1, q2)
    return scale1 * scale2 * total / (2 * np.pi)


@moments.register
def _rectified_monomial(activation: nn.RectifiedMonomial, q1: Values, q2: Values, deficit: Values) -> Moments:
    n = activation.degree
    return Moments(_rectified(n, q1, q2, deficit), n**2 * _rectified(n - 1, q1, q2, deficit))


@dual.register
def _rectified_monomial_dual(activation: nn.RectifiedMonomial, q1: Values, q2: Values, deficit: Values) -> Dual:
    """Degrees zero and one are `Step` and `Relu`; the others are smooth enough for the general way."""
    if activation.degree < 2:
        return dual(nn.Relu() if activation.degree else nn.Step(), q1, q2, deficit)
    return smooth_dual(lambda p1, p2, d: moments(activation, p1, p2, d), q1, q2, deficit)
