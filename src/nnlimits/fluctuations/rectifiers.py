"""`E[phi(u_0) phi(u_1) phi(u_2) phi(u_3)]` of a rectifier with two slopes, `phi(u) = alpha u + beta |u|`.

Stein's lemma, `E[u_0 g(u)] = sum_j k_0j E[d g / d u_j]`, takes the factors `u` and `|u| = u sign(u)` away one by one, and the
derivative of a sign fixes its unit at zero. What is left are expectations of two signs, `(2 / pi) arcsin(correlation)`, and that
of four, which has no closed form: its derivative along the line from independent units to these is one of two signs (Plackett
1954), and an integral over that line is all that is done by quadrature.

A covariance is an array `(m, m, ...)` here, of `m` units in an order that matters to a function, for many groups at once.
"""

import math
from functools import cache

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Covariance = Float[Array, "m m *groups"]
Values = Float[Array, "*groups"]
_DELTA = math.sqrt(2 / math.pi)
"""Twice the density of a unit of variance 1 at zero."""
_PAIRS = ((0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2), (1, 2, 0, 3), (1, 3, 0, 2), (2, 3, 0, 1))
_ORDER = 48


def rectifier_moments(slopes: tuple[Float[Array, ""], Float[Array, ""]], covariance: Covariance) -> Values:
    """The expectation for groups of four units, with `slopes` below and above zero; for units that coincide too."""
    odd, even = (slopes[1] + slopes[0]) / 2, (slopes[1] - slopes[0]) / 2
    deviation = jnp.sqrt(_variances(covariance))
    k = covariance / (deviation[:, None] * deviation)
    k = jnp.where(1 - jnp.abs(k) < 8 * jnp.finfo(k.dtype).eps, jnp.sign(k), k)
    linear = k[0, 1] * k[2, 3] + k[0, 2] * k[1, 3] + k[0, 3] * k[1, 2]
    both = _two_absolute(_in_orders(k, _PAIRS))
    absolute = _absolute_or_coincident(k, both)
    return (odd**4 * linear + odd**2 * even**2 * both.sum(0) + even**4 * absolute) * deviation.prod(0)


def _absolute_or_coincident(k: Covariance, two_absolute: Float[Array, "6 *groups"]) -> Values:
    """`E|u_0 u_1 u_2 u_3|`; where two units are one, the product of their absolute values is that of the units.

    With a correlation of `1 - d` the latter errs by the order of `d^(3/2)`, the former by rounding over `d`.
    """
    together = jnp.stack([k[order[:2]] for order in _PAIRS])
    nearest = jnp.argmax(jnp.abs(together), axis=0)[None]
    closest, reduced = (jnp.take_along_axis(v, nearest, axis=0)[0] for v in (together, two_absolute))
    coincident = 1 - jnp.abs(closest) < float(jnp.finfo(k.dtype).eps) ** 0.4
    return jnp.where(coincident, jnp.sign(closest) * reduced, _absolute_4(k))


def _in_orders(k: Covariance, orders: tuple[tuple[int, ...], ...]) -> Float[Array, "l l orders *groups"]:
    """The units in several orders, or several choices of units, along a new axis."""
    order = np.array(orders).T
    return k[order[:, None], order[None, :]]


def _variances(k: Covariance) -> Float[Array, "m *groups"]:
    return jnp.stack([k[i, i] for i in range(len(k))])


def _given_first(k: Covariance) -> Float[Array, "l l *groups"]:
    """The covariance of the others where the first unit is zero; a variance that is lost in rounding is zero."""
    positive = k[0, 0] > 0
    rest = k[1:, 1:] - jnp.where(positive, k[0, 1:, None] * k[0, None, 1:] / jnp.where(positive, k[0, 0], 1.0), 0.0)
    lost = _variances(rest) < 8 * jnp.finfo(k.dtype).eps * _variances(k[1:, 1:])
    diagonal = np.eye(len(rest), dtype=bool).reshape(rest.shape[:2] + (1,) * (k.ndim - 2))
    return jnp.where(diagonal & lost, 0.0, rest)


def _root(v: Values) -> Values:
    """The square root, with a derivative of zero at zero."""
    positive = v > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, v, 1.0)), 0.0)


def _ratio(a: Values, b: Values) -> Values:
    return jnp.where(b > 0, a / jnp.where(b > 0, b, 1.0), 0.0)


def _arcsin(ratio: Values) -> Values:
    """With a derivative of zero at the ends."""
    inside = jnp.abs(ratio) < 1
    return jnp.where(inside, jnp.arcsin(jnp.where(inside, ratio, 0.0)), jnp.sign(ratio) * (math.pi / 2))


def _correlation(k: Covariance, i: int, j: int) -> Values:
    return _ratio(k[i, j], _root(k[i, i]) * _root(k[j, j]))


def _signs_2(k: Float[Array, "2 2 *groups"]) -> Values:
    """`E[sign(u_0) sign(u_1)]`."""
    return 2 / math.pi * _arcsin(_correlation(k, 0, 1))


def _absolute_2(k: Float[Array, "2 2 *groups"]) -> Values:
    """`E|u_0 u_1|`."""
    return 2 / math.pi * _root(k[0, 0]) * _root(_given_first(k)[0, 0]) + k[0, 1] * _signs_2(k)


def _signs_and_absolute(k: Float[Array, "3 3 *groups"]) -> Values:
    """`E[sign(u_0) sign(u_1) |u_2|]`; three units that are one, whose signs given one of them are undefined, set apart."""
    correlations = jnp.stack([_correlation(k, i, j) for i, j in ((0, 1), (0, 2), (1, 2))])
    one = 1 - jnp.abs(correlations).min(0) < math.sqrt(jnp.finfo(k.dtype).eps)
    fixed = _in_orders(k, ((2, 0, 1), (0, 1, 2), (1, 0, 2)))
    with_last = jnp.stack([_ratio(k[i, 2], _root(k[i, i])) for i in (2, 0, 1)])
    apart = (with_last * _signs_2(_given_first(fixed))).sum(0)
    return _DELTA * jnp.where(one, jnp.sign(correlations[0]) * _root(k[2, 2]), apart)


def _absolute_3(k: Float[Array, "3 3 *groups"]) -> Values:
    """`E|u_0 u_1 u_2|`."""
    orders = _in_orders(k, ((0, 1, 2), (0, 2, 1)))
    fixed = _DELTA * _root(k[0, 0]) * _absolute_2(_given_first(k))
    return fixed + (orders[0, 1] * _signs_and_absolute(orders)).sum(0)


def _two_absolute(k: Float[Array, "4 4 *groups"]) -> Values:
    """`E[u_0 u_1 |u_2| |u_3|]`."""
    orders = _in_orders(k, ((1, 2, 3), (1, 3, 2)))
    left = _given_first(orders[1:, 1:])[0, 0]
    signed = 2 / math.pi * _ratio(orders[0, 1], _root(orders[1, 1])) * _root(left)
    signed += orders[0, 2] * _signs_2(orders[1:, 1:])  # E[u_1 sign(u_2) |u_3|], and with 2 and 3 exchanged
    return k[0, 1] * _absolute_2(k[2:, 2:]) + k[0, 2] * signed[0] + k[0, 3] * signed[1]


def _absolute_4(k: Float[Array, "4 4 *groups"]) -> Values:
    """`E|u_0 u_1 u_2 u_3|`."""
    orders = _in_orders(k, ((0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2)))
    fixed = _DELTA * _root(k[0, 0]) * _absolute_3(_given_first(k))
    return fixed + (orders[0, 1] * _two_signs(orders, _signs_4(k))).sum(0)


def _two_signs(k: Float[Array, "4 4 *groups"], signs: Array) -> Values:
    """`E[sign(u_0) sign(u_1) |u_2 u_3|]`, where that of all four `signs` is known."""
    fixed = _in_orders(k, ((2, 0, 1, 3), (0, 1, 2, 3), (1, 0, 2, 3)))
    with_third = jnp.stack([_ratio(k[i, 2], _root(k[i, i])) for i in (2, 0, 1)])
    return _DELTA * (with_third * _signs_and_absolute(_given_first(fixed))).sum(0) + k[2, 3] * signs


def _signs_4(k: Float[Array, "4 4 *groups"]) -> Values:
    """`E[sign(u_0) sign(u_1) sign(u_2) sign(u_3)]` for variances of 1."""
    nodes, weights = (jnp.asarray(v, k.dtype).reshape((-1,) + (1,) * (k.ndim - 2)) for v in _line(_ORDER))
    slopes = _slope(_in_orders(k, _PAIRS)[:, :, :, None], nodes)
    return (2 / math.pi) ** 2 * (weights * slopes.sum(0)).sum(0)


def _slope(k: Float[Array, "4 4 *groups"], rest: Float[Array, "nodes *ones"]) -> Array:
    """The derivative of four signs along the line, at `1 - rest`, that comes from the correlation of the first two units.

    The first unit changes sign with that correlation, so that it is positive, and no differences of large numbers are taken.
    """
    flip = jnp.where(k[0, 1] < 0, -1.0, 1.0)
    rho, first = flip * k[0, 1], [flip * k[0, i] for i in (2, 3)]
    second = [k[1, i] for i in (2, 3)]
    t = 1 - rest
    minus, plus = (1 - rho) + rho * rest, 1 + t * rho
    variance = [1 - t**2 * ((x - y) ** 2 / minus + 2 * x * y) / plus for x, y in zip(first, second, strict=True)]
    crossed = (first[0] - second[0]) * (first[1] - second[1]) / minus + first[0] * second[1] + first[1] * second[0]
    left = t * k[2, 3] - t**2 * crossed / plus
    return flip * rho / jnp.sqrt(minus * plus) * _arcsin(_ratio(left, _root(variance[0]) * _root(variance[1])))


@cache
def _line(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on (0, 1) that crowd at zero, where the integrand may have a root or its inverse (Takahasi & Mori)."""
    step = 7.4 / order
    at = step * (np.arange(order) + 0.5) - 4.2
    s = np.exp(np.pi / 2 * np.sinh(at))
    nodes = s / (s + 1 / s)
    weights = step * np.pi / 2 * np.cosh(at) * 2 / (s + 1 / s) ** 2
    return nodes, weights
