"""Expectations of four factors, each `phi` or `phi'` of a unit, over up to four jointly Gaussian units.

Two of the units are integrated by panels in polar coordinates. Given them, a third is a normal number of known mean and
variance, integrated by panels that end at its kinks; and a fourth likewise, whose correlation with the third, given the
first two, enters by a Hermite series (Mehler's formula). The first two are the pair that spans the largest area.

Accuracy in double precision, for variances up to about 2 (measured in the tests): 1e-11 for one unit, 1e-8 for two; for three
and four 1e-7 with a smooth nonlinearity. With a kinked one 1e-6 for three, 2e-5 where all are nearly equal; for four 1e-6
(piecewise linear, and exponential linear units) or 1e-5, but where four units are linearly dependent the series converges
slowly: 1e-5 for products of `phi`, 1e-3 for products of `phi'`. Larger variances lose digits with smooth nonlinearities.
"""

import itertools
import math
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from nnlimits import nn
from nnlimits.fluctuations import exponential_linear, piecewise_linear
from nnlimits.fluctuations.derivatives import as_function, derivatives, kinks_of
from nnlimits.fluctuations.pairs import angle_of, floor, kink_lines, two_units
from nnlimits.fluctuations.quadrature import Plane, crossings, inner_rule, line_rule, plane_rule, turn

_POWERS = ((1, 0), (1, 1), (2, 0), (2, 1), (2, 2), *((3, p) for p in range(4)), *((4, p) for p in range(5)))
"""Products of factors of one unit: how many, and how many of them are `phi'`."""
_COUNTS = {1: 14, 2: 9, 3: 5, 4: 2}
"""How many of these occur where a product has factors of so many different units."""
_SMOOTH_TERMS, _KINKED_TERMS, _CLOSED_TERMS = 28, 40, 80
"""Terms of the Hermite series, for smooth and kinked nonlinearities, and for kinked ones whose terms have closed forms."""
_BLUR = (0.7, 2.2, 6.0)
"""Panels end so many standard deviations of a unit to both sides of its kink, at a radius of one."""
_TOGETHER = 16
"""Groups of units whose nodes are held at once."""
_IN_CACHE = 128
"""Nodes of the first two units, given which a third is integrated at once."""


class Products(NamedTuple):
    """Expectations of products of four factors."""

    plain: Float[Array, "n n n n"]
    """`E[phi_a phi_b phi_c phi_d]`."""
    mixed: Float[Array, "n n n n"]
    """`E[phi_a phi_b phi'_c phi'_d]`."""
    derivative: Float[Array, "n n n n"]
    """`E[phi'_a phi'_b phi'_c phi'_d]`."""


class _Given(NamedTuple):
    """A unit given the first two: `along[0] z1 + along[1] z2 + deviation x`."""

    along: Float[Array, "2"]
    deviation: Float[Array, ""]


def products(activation: nn.Layer, kernel: Float[Array, "n n"]) -> Products:
    """The expectations for units of covariance `kernel`."""
    n = kernel.shape[0]
    kernel = kernel + jnp.diag(floor(jnp.diagonal(kernel)) - jnp.diagonal(kernel))
    known = [_of_groups(activation, kernel, size).reshape(-1) for size in range(1, min(n, 4) + 1)]
    return Products(*(jnp.concatenate(known)[place] for place in _places(n)))


def _of_groups(activation: nn.Layer, kernel: Float[Array, "n n"], size: int) -> Float[Array, "groups *products"]:
    groups = np.array(list(itertools.combinations(range(kernel.shape[0]), size)))
    covariances = kernel[groups[:, :, None], groups[:, None, :]]
    find = {1: _single, 2: _pair, 3: _triple, 4: _quadruple}[size]
    if len(groups) <= _TOGETHER and size < 4:  # four units have branches, of which `vmap` would compute both
        return jax.vmap(lambda c: find(activation, c))(covariances)
    return jax.lax.map(lambda c: find(activation, c), covariances)


@cache
def _places(n: int) -> tuple[np.ndarray, ...]:
    """Where each entry of the three tensors is among the products of all groups, one size after another."""
    offsets, start = {}, 0
    for size in range(1, min(n, 4) + 1):
        for group in itertools.combinations(range(n), size):
            offsets[group] = start
            start += _COUNTS[size] ** size
    found = []
    for primes in ((0, 0, 0, 0), (0, 0, 1, 1), (1, 1, 1, 1)):
        place = np.empty((n,) * 4, np.int32)  # one dtype whatever the precision
        for index in itertools.product(range(n), repeat=4):
            group = tuple(sorted(set(index)))
            flat = 0
            for unit in group:
                powers = sum(i == unit for i in index), sum(p for i, p in zip(index, primes, strict=True) if i == unit)
                flat = flat * _COUNTS[len(group)] + _POWERS.index(powers)
            place[index] = offsets[group] + flat
        found.append(place)
    return tuple(found)


def _powers(activation: nn.Layer, units: Array, count: int) -> Float[Array, "products *nodes"]:
    values, slopes = (f(units) for f in derivatives(as_function(activation), 1))
    return jnp.stack([values ** (m - p) * slopes**p for m, p in _POWERS[:count]])


def _single(activation: nn.Layer, covariance: Float[Array, "1 1"]) -> Float[Array, " products"]:
    deviation = jnp.sqrt(covariance[0, 0])
    z, w = line_rule(kinks_of(activation), deviation)
    return _powers(activation, deviation * z, _COUNTS[1]) @ w


def _pair(activation: nn.Layer, covariance: Float[Array, "2 2"]) -> Float[Array, "p p"]:
    q1, q2 = covariance[0, 0], covariance[1, 1]
    angle, _, _ = angle_of(q1, q2, covariance[0, 1])
    plane = two_units(kinks_of(activation), q1, q2, angle)
    return jnp.einsum("n,in,jn->ij", plane.weights, *_outer(activation, plane, q1, q2, angle, _COUNTS[2]))


def _outer(activation: nn.Layer, plane: Plane, q1: Array, q2: Array, angle: Array, count: int) -> list[Array]:
    u = jnp.sqrt(q1) * plane.z1
    v = jnp.sqrt(q2) * (plane.z1 * jnp.cos(angle) + plane.z2 * jnp.sin(angle))
    return [_powers(activation, unit, count) for unit in (u, v)]


def _triple(activation: nn.Layer, covariance: Float[Array, "3 3"]) -> Float[Array, "p p p"]:
    order = _widest_first(covariance)
    covariance = covariance[order][:, order]
    plane, angle, (third,) = _conditioned(activation, covariance)
    first, second = _outer(activation, plane, covariance[0, 0], covariance[1, 1], angle, _COUNTS[3])
    mean = third.along[0] * plane.z1 + third.along[1] * plane.z2
    found = jnp.einsum("n,in,jn,kn->ijk", plane.weights, first, second, _squares(activation, mean, third.deviation))
    return _unsorted(found, order)


def _squares(
    activation: nn.Layer, mean: Float[Array, " nodes"], deviation: Float[Array, ""]
) -> Float[Array, "5 nodes"]:
    linear = piecewise_linear.piecewise_linear(activation, mean.dtype)
    if linear is not None:
        return piecewise_linear.squares(linear, mean, deviation)
    exponential = exponential_linear.exponential_linear(activation, mean.dtype)
    if exponential is not None:
        return exponential_linear.squares(exponential, mean, deviation)
    kinks = kinks_of(activation)
    if not kinks:
        x, w = inner_rule(kinks, mean, deviation)
        return (_powers(activation, mean[:, None] + deviation * x, _COUNTS[3]) * w).sum(-1)

    def found(mean: Float[Array, ""]) -> Float[Array, "5"]:
        x, w = (v[0] for v in inner_rule(kinks, mean[None], deviation))
        return _powers(activation, mean + deviation * x, _COUNTS[3]) @ w

    return jax.lax.map(found, mean, batch_size=_IN_CACHE).T


def _quadruple(activation: nn.Layer, covariance: Float[Array, "4 4"]) -> Float[Array, "p p p p"]:
    order = _widest_first(covariance)
    covariance = covariance[order][:, order]
    plane, angle, (third, fourth) = _conditioned(activation, covariance)
    first, second = _outer(activation, plane, covariance[0, 0], covariance[1, 1], angle, _COUNTS[4])
    series = [_hermite_coefficients(activation, plane, unit) for unit in (third, fourth)]
    scale = third.deviation * fourth.deviation
    left = covariance[2, 3] - third.along @ fourth.along
    rho = jnp.where(scale > 0, jnp.clip(left / jnp.where(scale > 0, scale, 1.0), -1.0, 1.0), 0.0)
    powers = jnp.cumprod(jnp.full(series[0].shape[0], rho).at[0].set(1.0))
    inner = jnp.einsum("t,tkn,tln->kln", powers, *series)
    return _unsorted(jnp.einsum("n,in,jn,kln->ijkl", plane.weights, first, second, inner), order)


def _hermite_coefficients(activation: nn.Layer, plane: Plane, unit: _Given) -> Float[Array, "terms 2 nodes"]:
    """`E[f(mean + deviation x) h_j(x)]` for `f` the nonlinearity and its derivative, `h_j` normalised."""
    mean = unit.along[0] * plane.z1 + unit.along[1] * plane.z2
    linear = piecewise_linear.piecewise_linear(activation, mean.dtype)
    if linear is not None:
        return piecewise_linear.hermite_coefficients(linear, mean, unit.deviation, _CLOSED_TERMS)
    exponential = exponential_linear.exponential_linear(activation, mean.dtype)
    if exponential is not None:
        return exponential_linear.hermite_coefficients(exponential, mean, unit.deviation, _CLOSED_TERMS)
    kinks = kinks_of(activation)
    if kinks:
        return _kinked_coefficients(activation, mean, unit.deviation)
    x, w = inner_rule(kinks, mean, unit.deviation)
    values = w * _powers(activation, mean[:, None] + unit.deviation * x, _COUNTS[4])
    return jnp.einsum("knx,jx->jkn", values, piecewise_linear.hermite_polynomials(x[0], _SMOOTH_TERMS))


def _kinked_coefficients(
    activation: nn.Layer, mean: Float[Array, " nodes"], deviation: Float[Array, ""]
) -> Float[Array, "terms 2 nodes"]:
    """By parts, those of the function are those of its derivative, one term later."""

    def term(carry: tuple[Array, Array, Array], j: Array) -> tuple[tuple[Array, Array, Array], Array]:
        x, before, now = carry
        after = (x * now - jnp.sqrt(j) * before) / jnp.sqrt(j + 1)
        return (x, now, after), now.sum(-1)

    def found(mean: Float[Array, ""]) -> Float[Array, " coefficients"]:
        x, w = (v[0] for v in inner_rule(kinks_of(activation), mean[None], deviation))
        value, slope = w * _powers(activation, mean + deviation * x, _COUNTS[4])
        start = x, jnp.zeros_like(x), slope  # the weights and the function go with the polynomials
        slopes = jax.lax.scan(term, start, jnp.arange(_KINKED_TERMS, dtype=x.dtype), unroll=4)[1]
        return jnp.concatenate([value.sum()[None], slopes])

    coefficients = jax.lax.map(found, mean, batch_size=_IN_CACHE).T
    slopes = coefficients[1:]
    j = jnp.arange(1, _KINKED_TERMS, dtype=mean.dtype)[:, None]
    return jnp.stack([jnp.concatenate([coefficients[:1], deviation * slopes[:-1] / jnp.sqrt(j)]), slopes], axis=1)


def _widest_first(covariance: Float[Array, "m m"]) -> Int[Array, " m"]:
    """An order of units that begins with two that span a large area, and of four, leave little covariance of the others."""
    m = covariance.shape[0]
    pairs = list(itertools.combinations(range(m), 2))
    orders = np.array([[*pair, *(i for i in range(m) if i not in pair)] for pair in pairs], np.int32)
    q, (i, j) = jnp.diagonal(covariance), orders.T[:2]
    area = q[i] * q[j] - covariance[i, j] ** 2
    if m == 3:
        return jnp.asarray(orders)[jnp.argmax(area)]
    c, d = orders.T[2:]
    spread = area > 4 * math.sqrt(jnp.finfo(q.dtype).eps) * q[i] * q[j]  # or `angle_of` takes both for one
    crossed = covariance[c, i] * covariance[d, j] + covariance[c, j] * covariance[d, i]
    straight = covariance[c, i] * covariance[d, i] * q[j] + covariance[c, j] * covariance[d, j] * q[i]
    known = (straight - covariance[i, j] * crossed) / jnp.where(spread, area, 1.0)
    left = jnp.abs(covariance[c, d] - known) / jnp.sqrt(q[c] * q[d])
    score = jnp.where(spread, left - 1e-3 * area / (q[i] * q[j]), 9.0)
    return jnp.asarray(orders)[jnp.argmin(score)]


def _unsorted(found: Array, order: Array) -> Array:
    """Axes back in the order of the units, for an `order` known only when it runs."""
    size, axes = found.shape[0], found.ndim
    index = np.indices(found.shape).reshape(axes, -1)
    strides = size ** np.arange(axes - 1, -1, -1)
    return found.reshape(-1)[(jnp.asarray(index)[order] * strides[:, None]).sum(0)].reshape(found.shape)


def _conditioned(activation: nn.Layer, covariance: Float[Array, "m m"]) -> tuple[Plane, Array, list[_Given]]:
    """Nodes for the first two units, the angle between them, and the other units given them."""
    q1, q2 = covariance[0, 0], covariance[1, 1]
    angle, sine, degenerate = angle_of(q1, q2, covariance[0, 1])
    given = [_given(covariance, unit, angle, sine, degenerate) for unit in range(2, covariance.shape[0])]
    kinks = kinks_of(activation)
    if not kinks:
        return two_units((), q1, q2, angle, order=16), angle, given
    quarter = math.pi / 2
    rays = [jnp.stack([jnp.full_like(angle, quarter), angle - quarter, angle + quarter])]
    rays += [_around(unit) for unit in given]
    lines = kink_lines(kinks, [(q1, jnp.zeros_like(angle)), (q2, angle)])
    rays += [] if lines is None else [crossings(lines)]
    return plane_rule(turn(jnp.concatenate(rays)), lines, 8, 16), angle, given


def _given(covariance: Array, unit: int, angle: Array, sine: Array, degenerate: Array) -> _Given:
    first = covariance[0, unit] / jnp.sqrt(covariance[0, 0])
    beside = covariance[1, unit] / jnp.sqrt(covariance[1, 1]) - jnp.cos(angle) * first
    second = jnp.where(degenerate, 0.0, beside / jnp.where(degenerate, 1.0, sine))
    variance = covariance[unit, unit] - first**2 - second**2
    positive = variance > 8 * jnp.finfo(variance.dtype).eps * covariance[unit, unit]
    deviation = jnp.where(positive, jnp.sqrt(jnp.where(positive, variance, 1.0)), 0.0)
    return _Given(jnp.stack([first, second]), deviation)


def _around(unit: _Given) -> Float[Array, " ends"]:
    """Angles at which a unit's mean is zero, and to both sides of them as far as its deviation blurs the kink."""
    length = jnp.sqrt(jnp.maximum(unit.along @ unit.along, jnp.finfo(unit.deviation.dtype).tiny * 1e6))
    direction = jnp.arctan2(unit.along[1], jnp.where(jnp.abs(unit.along).max() > 0, unit.along[0], 1.0))
    offsets = jnp.stack([far * jnp.arctan2(scale * unit.deviation, length) for far in (-1, 1) for scale in _BLUR])
    offsets = jnp.concatenate([jnp.zeros(1, offsets.dtype), offsets])
    return jnp.concatenate([direction + math.pi / 2 + offsets, direction - math.pi / 2 + offsets])
