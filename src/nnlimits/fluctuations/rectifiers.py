"""`E[phi(u_1) phi(u_2) phi(u_3) phi(u_4)]` of a rectifier with two slopes, `phi(u) = alpha u + beta |u|`.

Stein's lemma, `E[u_1 g(u)] = sum_j k_1j E[d g / d u_j]`, takes the factors `u` and `|u| = u sign(u)` away one by one, and the
derivative of a sign fixes its unit at zero. What is left are expectations of two signs, `(2 / pi) arcsin(correlation)`, and that
of four, which has no closed form: its derivative along the line from independent units to these is one of two signs (Plackett
1954), and an integral over that line is all that is done by quadrature.
"""

import functools
import itertools
import math
from functools import cache

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_Covariance = dict[tuple[int, int], Array]
"""Entries `(i, j)`, `i <= j`, for many groups of units at once."""
_ORDER = 48
_DELTA = math.sqrt(2 / math.pi)
"""Twice the density of a unit of variance 1 at zero."""


def rectifier_moments(
    slopes: tuple[Float[Array, ""], Float[Array, ""]], covariance: Float[Array, "groups 4 4"]
) -> Float[Array, " groups"]:
    """The expectation for groups of four units, of `slopes` below and above zero; for units that coincide too."""
    odd, even = (slopes[1] + slopes[0]) / 2, (slopes[1] - slopes[0]) / 2
    deviation = jnp.sqrt(jnp.stack([covariance[:, i, i] for i in range(4)]))
    k = {(i, j): covariance[:, i, j] / (deviation[i] * deviation[j]) for i, j in itertools.combinations(range(4), 2)}
    tiny = 8 * jnp.finfo(deviation.dtype).eps
    k = {pair: jnp.where(1 - jnp.abs(v) < tiny, jnp.sign(v), v) for pair, v in k.items()}
    k |= {(i, i): jnp.ones_like(deviation[i]) for i in range(4)}
    linear = k[0, 1] * k[2, 3] + k[0, 2] * k[1, 3] + k[0, 3] * k[1, 2]
    pairs = list(itertools.combinations(range(4), 2))
    both = jnp.stack([_two_absolute(k, absolute) for absolute in pairs])
    together = jnp.stack([k[pair] for pair in reversed(pairs)])  # what is linear where `both` is absolute
    nearest = jnp.argmax(jnp.abs(together), axis=0)[None]
    closest, reduced = (jnp.take_along_axis(v, nearest, axis=0)[0] for v in (together, both))
    coincident = 1 - jnp.abs(closest) < _COINCIDENT(closest.dtype)
    absolute = jnp.where(coincident, jnp.sign(closest) * reduced, _absolute_4(k))
    total = odd**4 * linear + odd**2 * even**2 * both.sum(0) + even**4 * absolute
    return total * deviation.prod(0)


def _COINCIDENT(dtype) -> float:
    return float(jnp.finfo(dtype).eps) ** 0.4


def _of(k: _Covariance, i: int, j: int) -> Array:
    return k[min(i, j), max(i, j)]


def _given(k: _Covariance, unit: int, others: tuple[int, ...]) -> _Covariance:
    """The covariance of `others` where `unit` is zero; variances that are lost in rounding are zero."""
    variance = k[unit, unit]
    safe = jnp.where(variance > 0, variance, 1.0)
    found = {}
    for i, j in itertools.combinations_with_replacement(sorted(others), 2):
        rest = _of(k, i, j) - jnp.where(variance > 0, _of(k, unit, i) * _of(k, unit, j) / safe, 0.0)
        found[i, j] = jnp.where(rest > 8 * jnp.finfo(rest.dtype).eps * k[i, i], rest, 0.0) if i == j else rest
    return found


def _root(v: Array) -> Array:
    """The square root, with a derivative of zero at zero."""
    positive = v > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, v, 1.0)), 0.0)


def _over_root(k: _Covariance, i: int, j: int) -> Array:
    """`k_ij / sqrt(k_jj)`."""
    return jnp.where(k[j, j] > 0, _of(k, i, j) / jnp.where(k[j, j] > 0, _root(k[j, j]), 1.0), 0.0)


def _arcsin(ratio: Array) -> Array:
    """With a derivative of zero at the ends."""
    inside = jnp.abs(ratio) < 1
    return jnp.where(inside, jnp.arcsin(jnp.where(inside, ratio, 0.0)), jnp.sign(ratio) * (math.pi / 2))


def _signs(k: _Covariance, i: int, j: int) -> Array:
    """`E[sign(u_i) sign(u_j)]`."""
    return 2 / math.pi * _arcsin(_correlation(k, i, j))


def _correlation(k: _Covariance, i: int, j: int) -> Array:
    scale = _root(k[i, i]) * _root(k[j, j])
    return jnp.where(scale > 0, _of(k, i, j) / jnp.where(scale > 0, scale, 1.0), 0.0)


def _absolute_2(k: _Covariance, i: int, j: int) -> Array:
    """`E|u_i u_j|`."""
    left = _given(k, i, (j,))[j, j]
    return 2 / math.pi * _root(k[i, i]) * _root(left) + _of(k, i, j) * _signs(k, i, j)


def _signs_and_absolute(k: _Covariance, i: int, j: int, c: int) -> Array:
    """`E[sign(u_i) sign(u_j) |u_c|]`; three units that are one, whose signs given one of them are undefined, set apart."""
    correlations = [_correlation(k, *pair) for pair in ((i, j), (i, c), (j, c))]
    least = functools.reduce(jnp.minimum, [jnp.abs(v) for v in correlations])
    one = 1 - least < math.sqrt(jnp.finfo(least.dtype).eps)
    of_one = _DELTA * jnp.sign(correlations[0]) * _root(k[c, c])
    return jnp.where(one, of_one, _of_three(k, i, j, c))


def _of_three(k: _Covariance, i: int, j: int, c: int) -> Array:
    return _DELTA * (
        _root(k[c, c]) * _signs(_given(k, c, (i, j)), i, j)
        + _over_root(k, c, i) * _signs(_given(k, i, (j, c)), j, c)
        + _over_root(k, c, j) * _signs(_given(k, j, (i, c)), i, c)
    )


def _absolute_3(k: _Covariance, a: int, b: int, c: int) -> Array:
    """`E|u_a u_b u_c|`."""
    return (
        _DELTA * _root(k[a, a]) * _absolute_2(_given(k, a, (b, c)), b, c)
        + _of(k, a, b) * _signs_and_absolute(k, a, b, c)
        + _of(k, a, c) * _signs_and_absolute(k, a, c, b)
    )


def _two_absolute(k: _Covariance, absolute: tuple[int, int]) -> Array:
    """`E[u_a u_b |u_c| |u_d|]`, `c` and `d` those of `absolute`."""
    (a, b), (c, d) = (i for i in range(4) if i not in absolute), absolute

    def one(i: int, sign: int, other: int) -> Array:
        """`E[u_i sign(u_sign) |u_other|]`."""
        left = _given(k, sign, (other,))[other, other]
        return 2 / math.pi * _over_root(k, i, sign) * _root(left) + _of(k, i, other) * _signs(k, sign, other)

    return k[a, b] * _absolute_2(k, c, d) + _of(k, a, c) * one(b, c, d) + _of(k, a, d) * one(b, d, c)


def _absolute_4(k: _Covariance) -> Array:
    """`E|u_0 u_1 u_2 u_3|`."""
    signs = _signs_4(k)

    def two_signs(i: int, j: int, c: int, d: int) -> Array:
        """`E[sign(u_i) sign(u_j) |u_c u_d|]`."""
        at_zero = (
            _root(k[c, c]) * _signs_and_absolute(_given(k, c, (i, j, d)), i, j, d)
            + _over_root(k, c, i) * _signs_and_absolute(_given(k, i, (j, c, d)), j, c, d)
            + _over_root(k, c, j) * _signs_and_absolute(_given(k, j, (i, c, d)), i, c, d)
        )
        return _DELTA * at_zero + k[c, d] * signs

    return (
        _DELTA * _root(k[0, 0]) * _absolute_3(_given(k, 0, (1, 2, 3)), 1, 2, 3)
        + k[0, 1] * two_signs(0, 1, 2, 3)
        + k[0, 2] * two_signs(0, 2, 1, 3)
        + k[0, 3] * two_signs(0, 3, 1, 2)
    )


def _signs_4(k: _Covariance) -> Array:
    """`E[sign(u_0) sign(u_1) sign(u_2) sign(u_3)]` for variances of 1."""
    nodes, weights = (jnp.asarray(v, k[0, 1].dtype) for v in _line(_ORDER))
    k = {pair: v[:, None] for pair, v in k.items()}
    total = sum(_edge(k, i, j, nodes) for i, j in itertools.combinations(range(4), 2))
    return (2 / math.pi) ** 2 * total @ weights


def _edge(k: _Covariance, i: int, j: int, rest: Float[Array, " nodes"]) -> Float[Array, "groups nodes"]:
    """The derivative along the line at `1 - rest`, as far as it comes from the correlation of two units.

    The units change sign with the correlation, so that it is positive, and no differences of large numbers are taken.
    """
    c, d = (n for n in range(4) if n not in (i, j))
    flip = jnp.where(k[i, j] < 0, -1.0, 1.0)
    rho, ic, id_, jc, jd = flip * k[i, j], flip * _of(k, i, c), flip * _of(k, i, d), _of(k, j, c), _of(k, j, d)
    t = 1 - rest
    minus = (1 - rho) + rho * rest
    plus = 1 + t * rho
    variance = [1 - t**2 * ((x - y) ** 2 / minus + 2 * x * y) / plus for x, y in ((ic, jc), (id_, jd))]
    crossed = ((ic - jc) * (id_ - jd) / minus + ic * jd + id_ * jc) / plus
    left = t * k[c, d] - t**2 * crossed
    scale = _root(variance[0]) * _root(variance[1])
    ratio = jnp.where(scale > 0, left / jnp.where(scale > 0, scale, 1.0), 0.0)
    return flip * rho / jnp.sqrt(minus * plus) * _arcsin(ratio)


@cache
def _line(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on (0, 1) that crowd at zero, where the integrand may have a root or its inverse (Takahasi & Mori)."""
    step = 7.4 / order
    at = step * (np.arange(order) + 0.5) - 4.2
    s = np.exp(np.pi / 2 * np.sinh(at))
    nodes = s / (s + 1 / s)
    weights = step * np.pi / 2 * np.cosh(at) * 2 / (s + 1 / s) ** 2
    return nodes, weights
