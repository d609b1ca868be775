"""The law of a product of free positive factors, by its S-transform.

Of a law with moments m_1, m_2, ..., let `M(z) = sum_k m_k / z^k`. The factors' S-transforms multiply, so `m = M(z)` of the
product solves `z = (1 + m) / m prod 1 / S(m)`, with `1 / S = w^2` for orthogonal weights, `w^2 (1 + m)` for Gaussian ones, and
`m zeta / (1 + m)`, `M(zeta) = m`, for any other law (Voiculescu 1987; Pennington et al. 2018, equations 13 to 16).
The equations are solved by Newton's method along a path: in from infinity, where `m = m_1 / z`, along the imaginary axis, and
from each point of it along an arc to the real axis.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from nnlimits.signal.slopes import Slopes

_HEIGHT = 1e-7
"""The angle above the real axis at which the path ends."""
_ARCS = 160
"""Steps of that path; with fewer, Newton's method loses it where the law is narrow."""
_STEP = 0.3
"""Between logarithms of values on the way from infinity."""
_NEWTON = 4
_SMALLEST_SHARE = 1e-5
"""Of what lies below the smallest value looked at."""
_FINE, _REFINEMENTS = 25, 3
"""Points of each finer grid about an end of the support, and how many there are."""
_FAINT = 1e-6
"""Density of the logarithm that counts as none."""


class FreeProduct(NamedTuple):
    """Factors, up to their order, on which the law does not depend."""

    scale: float
    """The product of the weights' squared scales."""
    gaussian: int
    """How many Gaussian matrices there are."""
    slopes: tuple[Slopes, ...]


class Law(NamedTuple):
    """A law of positive numbers, and of zero."""

    values: Float[np.ndarray, " n"]
    """Ascending, within the support of the continuous part."""
    density: Float[np.ndarray, " n"]
    """Of their logarithm."""
    masses: Float[np.ndarray, " n"]
    """What a quadrature rule at the values says lies at each."""
    zero: float
    """The share at zero."""
    atom: tuple[float, float]
    """The one other number of positive share that there can be, and its share."""


class _Groups(NamedTuple):
    """Distinct laws of slopes, as atoms, and how often they occur."""

    values: Float[Array, "groups atoms"]
    weights: Float[Array, "groups atoms"]
    counts: Float[Array, " groups"]


class _State(NamedTuple):
    m: Complex[Array, "..."]
    zeta: Complex[Array, "... groups"]
    """At which `M` of each law is `m`."""


def law(product: FreeProduct, spread: float, points: int) -> Law:
    """The law of the product.

    **Arguments:** `spread`, its variance in units of the squared mean; `points`, how many values of it are wanted.

    **Raises:** `ValueError` if it is a single number.
    """
    if spread < 1e-12:
        raise ValueError("all singular values are equal: orthogonal weights without a nonlinearity leave no density")
    mean = product.scale * math.prod(slopes.mean for slopes in product.slopes)
    depth = product.gaussian + len(product.slopes)
    lowest = math.log(mean) + math.log(_SMALLEST_SHARE) * (1 + depth)
    highest = math.log(mean * 20 * (1 + spread) * (1 + depth))
    low, high = _support(product, mean, lowest, highest)
    # the density ends like a root, its inverse, or a power: in the angle of a circle over the support it is smooth
    angles = (np.arange(points) + 0.5) * np.pi / points
    logarithms = low + (high - low) * (1 - np.cos(angles)) / 2
    density = _density(product, mean, logarithms)
    masses = density * (high - low) / 2 * np.sin(angles) * np.pi / points
    zero = max((slopes.at_zero for slopes in product.slopes), default=0.0)
    return Law(np.exp(logarithms), density, masses, zero, _atom(product))


def _atom(product: FreeProduct) -> tuple[float, float]:
    """The product of the factors' likeliest numbers, if their shares lack less than one in all (Belinschi 2003, theorem 4.1)."""
    likeliest = [int(np.argmax(slopes.weights)) for slopes in product.slopes]
    value = product.scale * math.prod(float(s.values[i]) for s, i in zip(product.slopes, likeliest, strict=True))
    share = 1 - product.gaussian - sum(1 - float(s.weights[i]) for s, i in zip(product.slopes, likeliest, strict=True))
    return (value, share) if value > 0 and share > 0 else (value, 0.0)


def _support(product: FreeProduct, mean: float, lowest: float, highest: float) -> tuple[float, float]:
    """Where the density begins and ends, as logarithms: on a grid, then on finer ones between a point outside and one inside."""
    coarse = np.linspace(lowest, highest, math.ceil((highest - lowest) / _STEP) + 1)
    step = coarse[1] - coarse[0]
    inside = np.flatnonzero(_density(product, mean, coarse) > _FAINT)
    if inside.size == 0:  # narrower than the grid
        coarse, inside = np.asarray([math.log(mean)]), np.zeros(1, int)
    low, high = coarse[inside[0]], coarse[inside[-1]]
    for _ in range(_REFINEMENTS):
        below, above = np.linspace(low - step, low, _FINE), np.linspace(high, high + step, _FINE)
        found = _density(product, mean, np.concatenate([below, above])) > _FAINT
        low = below[np.argmax(found[:_FINE])] if found[:_FINE].any() else low
        high = above[np.flatnonzero(found[_FINE:]).max(initial=0)]
        step /= _FINE - 1
    return low - step, high + step


def _density(product: FreeProduct, mean: float, logarithms: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The density of the logarithm, `-Im m / pi` on the real axis; zero where Newton's method finds nothing, off the support."""
    way = np.arange(logarithms[-1] + math.log(1e3), logarithms[-1], -_STEP)
    with jax.enable_x64(True):
        factors = jnp.asarray([math.log(product.scale), 1.0 + product.gaussian, mean], jnp.float64)
        path = jnp.asarray(np.concatenate([way, logarithms[::-1]]), jnp.float64)
        m = np.asarray(_on_the_axis(factors, _grouped(product.slopes), path))[: len(way) - 1 : -1]
    return np.maximum(np.nan_to_num(-np.imag(m) / np.pi), 0.0)


def _grouped(slopes: tuple[Slopes, ...]) -> _Groups:
    """Equal laws together; at least one, so that shapes do not depend on whether there is any."""
    groups: list[tuple[Slopes, int]] = []
    for one in slopes or (Slopes(np.ones(1), np.ones(1)),):
        same = next((i for i, (other, _) in enumerate(groups) if _alike(one, other)), None)
        if same is None:
            groups.append((one, 0))
            same = len(groups) - 1
        groups[same] = groups[same][0], groups[same][1] + (1 if slopes else 0)
    atoms = max(len(one.values) for one, _ in groups)
    padded = [[np.pad(part, (0, atoms - len(part))) for part in one] for one, _ in groups]
    values, weights = (jnp.asarray(np.stack(parts), jnp.float64) for parts in zip(*padded, strict=True))
    return _Groups(values, weights, jnp.asarray([float(count) for _, count in groups], jnp.float64))


def _alike(one: Slopes, other: Slopes) -> bool:
    return all(a.shape == b.shape and np.allclose(a, b, rtol=1e-9, atol=1e-14) for a, b in zip(one, other, strict=True))


@jax.jit
def _on_the_axis(factors: Float[Array, " 3"], groups: _Groups, path: Float[Array, " n"]) -> Complex[Array, " n"]:
    """`m` just above the real axis, at values with these logarithms, from the largest."""
    begin = factors[2] * jnp.exp(-(path[0] + 0.5j * jnp.pi))
    mean = (groups.values * groups.weights).sum(-1)

    def inward(state: _State, log_size: Array) -> tuple[_State, _State]:
        state = _solved(factors, groups, log_size + 0.5j * jnp.pi, state)
        return state, state

    def downward(states: _State, angle: Array) -> tuple[_State, None]:
        return jax.vmap(lambda at, state: _solved(factors, groups, at, state))(path + 1j * angle, states), None

    states = jax.lax.scan(inward, _State(begin, mean / begin), path)[1]
    angles = jnp.geomspace(jnp.pi / 2, _HEIGHT, _ARCS)[1:]
    return jax.lax.scan(downward, states, angles)[0].m


def _solved(factors: Float[Array, " 3"], groups: _Groups, log_z: Complex[Array, ""], state: _State) -> _State:
    """Steps of Newton's method for `m` and every `zeta` together."""
    log_scale, matrices, _ = factors

    def step(_: Any, state: _State) -> _State:
        m, zeta = state
        inverse = groups.values * groups.weights / (zeta[:, None] - groups.values)
        derivative = -(inverse / (zeta[:, None] - groups.values)).sum(-1)
        miss = (m - inverse.sum(-1)) / derivative
        logarithms = jnp.log(m) + jnp.log(zeta) - jnp.log1p(m) + miss / zeta
        residual = log_scale + matrices * jnp.log1p(m) - jnp.log(m) - log_z + (groups.counts * logarithms).sum()
        slopes = 1 / m - 1 / (1 + m) + 1 / (derivative * zeta)
        slope = matrices / (1 + m) - 1 / m + (groups.counts * slopes).sum()
        turn = (
            2 * jnp.pi * jnp.round(residual.imag / (2 * jnp.pi))
        )  # logarithms of a product know their sheet up to this
        change = -(residual - 1j * turn) / slope
        return _State(m + change, zeta + miss + change / derivative)

    return jax.lax.fori_loop(0, _NEWTON, step, state)
