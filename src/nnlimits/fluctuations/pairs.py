"""`E[phi(u) phi(v)]` and `E[phi'(u) phi'(v)]` of all pairs of inputs, to second order in the covariance.

For a smooth nonlinearity each derivative with respect to the covariance is the expectation of higher derivatives of
`phi` (Price 1958): `d/dk` differentiates both factors once, `d/dq` one factor twice and halves. Nothing is singular,
however degenerate the covariance.

For a kinked one those derivatives do not exist. The expectations are functions of the two variances and of the angle
between the units, smooth up to an angle of zero, and quadrature whose panels end at the kinks is differentiated in
these three. Inputs whose units are perfectly correlated stay so in every finite network, as their correlation has no
fluctuation; so there the derivatives in the correlation that diverge are left out: in their limit they multiply zero.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from nnlimits import nn
from nnlimits.fluctuations.derivatives import as_function, derivatives, kinks_of
from nnlimits.fluctuations.quadrature import Lines, Plane, crossings, line_rule, plane_rule, turn

_FLOOR = {np.dtype(np.float32): 1e-12}
_RADIAL = 24


class Taylor(NamedTuple):
    """A function of pairs' `(q_a, q_b, k_ab)` and its derivatives; on the diagonal, of `q_a` alone, in the place of `k`."""

    value: Float[Array, "n n"]
    a: Float[Array, "n n"]
    b: Float[Array, "n n"]
    k: Float[Array, "n n"]
    aa: Float[Array, "n n"]
    bb: Float[Array, "n n"]
    ab: Float[Array, "n n"]
    ak: Float[Array, "n n"]
    bk: Float[Array, "n n"]
    kk: Float[Array, "n n"]

    def scaled(self, factor: Float[Array, "..."]) -> "Taylor":
        """The function multiplied by `factor`, for each pair or for all."""
        return Taylor(*(factor * part for part in self))

    def plus(self, other: "Taylor") -> "Taylor":
        """The sum of two functions."""
        return Taylor(*(first + second for first, second in zip(self, other, strict=True)))


class PairMoments(NamedTuple):
    """Both expectations of all pairs."""

    value: Taylor
    """`E[phi(u_a) phi(u_b)]`."""
    derivative: Taylor
    """`E[phi'(u_a) phi'(u_b)]`."""


def floor(q: Float[Array, "..."]) -> Float[Array, "..."]:
    """Variances, those of zero raised to a number whose powers are still finite."""
    low = _FLOOR.get(np.dtype(q.dtype), 1e-24)
    return jnp.where(q > low, q, low)


def angle_of(
    q1: Float[Array, ""], q2: Float[Array, ""], k: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""], Bool[Array, ""]]:
    """The angle between two units, its sine, and whether it is so near 0 or pi that it is taken as constant.

    The limit, the square root of the precision, balances two errors (see `fluctuations`): beyond it, rounding is amplified;
    within it, derivatives in the correlation are neglected against a fluctuation that vanishes faster.
    """
    c = k / jnp.sqrt(q1 * q2)
    degenerate = 1 - jnp.abs(c) < math.sqrt(jnp.finfo(c.dtype).eps)
    inside = jnp.where(degenerate, 0.0, c)
    whole = jnp.where(c > 0, 0.0, math.pi)
    near = jnp.sqrt(2 * jnp.maximum(1 - jax.lax.stop_gradient(jnp.abs(c)), 0.0))
    angle = jnp.where(degenerate, jnp.abs(whole - near), jnp.arccos(inside))
    return angle, jnp.sin(angle), degenerate


def pair_moments(activation: nn.Layer, kernel: Float[Array, "n n"]) -> PairMoments:
    """Both expectations for units of covariance `kernel`."""
    n = kernel.shape[0]
    if isinstance(activation, nn.Identity):
        nothing, one = jnp.zeros_like(kernel), jnp.ones_like(kernel)
        rest = [nothing] * 6
        return PairMoments(Taylor(kernel, nothing, nothing, one, *rest), Taylor(one, nothing, nothing, nothing, *rest))
    smooth = not kinks_of(activation)
    q = floor(jnp.diagonal(kernel))
    alone = jax.vmap(lambda v: (_smooth_single if smooth else _kinked_single)(activation, v))(q)
    if n == 1:
        return jax.tree.map(lambda v: v[:, None], alone)
    i, j = np.triu_indices(n, 1)
    pair = jax.vmap(lambda q1, q2, k: (_smooth_pair if smooth else _kinked_pair)(activation, q1, q2, k))
    return jax.tree.map(lambda d, v: _assembled(d, v, n), alone, _mirrored(pair(q[i], q[j], kernel[i, j])))


def _mirrored(moments: PairMoments) -> PairMoments:
    """Pairs `(i, j)` followed by `(j, i)`."""

    def both(t: Taylor) -> Taylor:
        swapped = Taylor(t.value, t.b, t.a, t.k, t.bb, t.aa, t.ab, t.bk, t.ak, t.kk)
        return Taylor(*(jnp.concatenate(parts) for parts in zip(t, swapped, strict=True)))

    return PairMoments(both(moments.value), both(moments.derivative))


def _assembled(diagonal: Float[Array, " n"], pairs: Float[Array, " p"], n: int) -> Float[Array, "n n"]:
    i, j = np.triu_indices(n, 1)
    rows, columns = np.concatenate([np.arange(n), i, j]), np.concatenate([np.arange(n), j, i])
    place = np.empty((n, n), np.int32)
    place[rows, columns] = np.arange(n * n)
    return jnp.concatenate([diagonal, pairs])[place]


def _single(value: Array, first: Array, second: Array) -> Taylor:
    nothing = jnp.zeros_like(value)
    return Taylor(value, nothing, nothing, first, nothing, nothing, nothing, nothing, nothing, second)


def _smooth_single(activation: nn.Layer, q: Float[Array, ""]) -> PairMoments:
    deviation = jnp.sqrt(q)
    z, w = line_rule((), deviation)
    f = [d(deviation * z) for d in derivatives(as_function(activation), 5)]

    def series(m: int) -> Taylor:
        g = f[m:]
        value = w @ g[0] ** 2
        first = w @ (g[0] * g[2] + g[1] ** 2)
        second = w @ (g[0] * g[4] + 4 * g[1] * g[3] + 3 * g[2] ** 2) / 2
        return _single(value, first, second)

    return PairMoments(series(0), series(1))


def _kinked_single(activation: nn.Layer, q: Float[Array, ""]) -> PairMoments:
    functions = derivatives(as_function(activation), 1)

    def moments(v: Float[Array, ""]) -> Float[Array, "2"]:
        z, w = line_rule(kinks_of(activation), jnp.sqrt(v))
        return jnp.stack([w @ f(jnp.sqrt(v) * z) ** 2 for f in functions])

    value, slope, curvature = _to_second_order(moments, q)
    return PairMoments(*(_single(value[i], slope[i], curvature[i]) for i in range(2)))


def _to_second_order(
    function: Callable[[Array], Array], place: Float[Array, "*place"]
) -> tuple[Float[Array, "2"], Float[Array, "2 *place"], Float[Array, "2 ..."]]:
    """Value, first and second derivatives, in one pass: three would take three times as long to compile."""

    def value(at: Array) -> tuple[Array, Array]:
        found = function(at)
        return found, found

    def gradient(at: Array) -> tuple[Array, tuple[Array, Array]]:
        first, found = jax.jacfwd(value, has_aux=True)(at)
        return first, (found, first)

    second, (found, first) = jax.jacfwd(gradient, has_aux=True)(place)
    return found, first, second


def _smooth_pair(activation: nn.Layer, q1: Float[Array, ""], q2: Float[Array, ""], k: Float[Array, ""]) -> PairMoments:
    angle, _, _ = angle_of(q1, q2, k)
    plane = two_units((), q1, q2, angle)
    table = derivatives(as_function(activation), 5)
    first, second = ([d(u) for d in table] for u in _units(plane, q1, q2, angle))

    def mean(i: int, j: int) -> Float[Array, ""]:
        return plane.weights @ (first[i] * second[j])

    def taylor(m: int) -> Taylor:
        return Taylor(
            mean(m, m),
            mean(m + 2, m) / 2,
            mean(m, m + 2) / 2,
            mean(m + 1, m + 1),
            mean(m + 4, m) / 4,
            mean(m, m + 4) / 4,
            mean(m + 2, m + 2) / 4,
            mean(m + 3, m + 1) / 2,
            mean(m + 1, m + 3) / 2,
            mean(m + 2, m + 2),
        )

    return PairMoments(taylor(0), taylor(1))


def _units(plane: Plane, q1: Array, q2: Array, angle: Array) -> tuple[Array, Array]:
    u = jnp.sqrt(q1) * plane.z1
    v = jnp.sqrt(q2) * (plane.z1 * jnp.cos(angle) + plane.z2 * jnp.sin(angle))
    return u, v


def two_units(kinks: tuple[float, ...], q1: Array, q2: Array, angle: Array, order: int = 24) -> Plane:
    """Nodes for two units, the first along `z1`, the second at `angle` to it; `order` of them on a panel of angles."""
    quarter = math.pi / 2
    lines = kink_lines(kinks, [(q1, jnp.zeros_like(angle)), (q2, angle)])
    still = jnp.asarray([-quarter, quarter, 3 * quarter], angle.dtype)
    if lines is None:  # the order is known, and a sort takes long to compile
        ends = jnp.stack([still[0], angle - quarter, still[1], angle + quarter, still[2]])
    else:
        rays = jnp.stack([still[1], angle - quarter, angle + quarter])
        ends = turn(jnp.concatenate([rays, crossings(lines)]))
    return plane_rule(ends, lines, order, _RADIAL)


def kink_lines(kinks: tuple[float, ...], units: list[tuple[Array, Array]]) -> Lines | None:
    """The lines on which units, given by variance and direction, are at a kink other than zero."""
    away = [kink for kink in kinks if kink != 0.0]
    if not away:
        return None
    return Lines(
        jnp.stack([direction for _, direction in units for _ in away]),
        jnp.stack([kink / jnp.sqrt(q) for q, _ in units for kink in away]),
    )


def _kinked_pair(activation: nn.Layer, q1: Float[Array, ""], q2: Float[Array, ""], k: Float[Array, ""]) -> PairMoments:
    functions = derivatives(as_function(activation), 1)
    angle, sine, degenerate = angle_of(q1, q2, k)

    def moments(place: Float[Array, "3"]) -> Float[Array, "2"]:
        plane = two_units(kinks_of(activation), *place)
        u, v = _units(plane, *place)
        return jnp.stack([plane.weights @ (f(u) * f(v)) for f in functions])

    value, first, second = _to_second_order(moments, jnp.stack([q1, q2, angle]))
    sine = jnp.where(degenerate, 1.0, sine)
    cosine = jnp.where(degenerate, 0.0, jnp.cos(angle))

    def in_correlation(i: int) -> tuple[Array, ...]:
        # that of the value is known by Price's theorem, and finite for coincident units too
        c = jnp.sqrt(q1 * q2) * value[1] if i == 0 else jnp.where(degenerate, 0.0, -first[i, 2] / sine)
        second_order = (
            -second[i, 0, 2] / sine,
            -second[i, 1, 2] / sine,
            (second[i, 2, 2] + cosine * c) / sine**2,
        )
        return c, *(jnp.where(degenerate, 0.0, part) for part in second_order)

    return PairMoments(*(_in_covariance(value[i], first[i], second[i], in_correlation(i), q1, q2, k) for i in range(2)))


def _in_covariance(
    value: Array, first: Array, second: Array, in_correlation: tuple[Array, ...], q1: Array, q2: Array, k: Array
) -> Taylor:
    """From derivatives in the variances and the correlation to those in the variances and the covariance."""
    t_c, t_1c, t_2c, t_cc = in_correlation
    g = 1 / jnp.sqrt(q1 * q2)
    c = k * g
    c_1, c_2 = -c / (2 * q1), -c / (2 * q2)
    return Taylor(
        value,
        first[0] + t_c * c_1,
        first[1] + t_c * c_2,
        t_c * g,
        second[0, 0] + 2 * t_1c * c_1 + t_cc * c_1**2 + 0.75 * t_c * c / q1**2,
        second[1, 1] + 2 * t_2c * c_2 + t_cc * c_2**2 + 0.75 * t_c * c / q2**2,
        second[0, 1] + t_1c * c_2 + t_2c * c_1 + t_cc * c_1 * c_2 + 0.25 * t_c * c / (q1 * q2),
        g * (t_1c + t_cc * c_1 - t_c / (2 * q1)),
        g * (t_2c + t_cc * c_2 - t_c / (2 * q2)),
        t_cc * g**2,
    )
