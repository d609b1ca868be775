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
_ARCS = 40
_STEP = 0.3
"""Between logarithms of values on the way from infinity."""
_NEWTON = 4
_SMALLEST_SHARE = 1e-5
"""Of what lies below the smallest value looked at."""
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
    """Ascending, over the support of the continuous part."""
    density: Float[np.ndarray, " n"]
    """Of their logarithm."""
    zero: float
    """The share at zero."""


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
    coarse = np.linspace(lowest, highest, math.ceil((highest - lowest) / _STEP) + 1)
    inside = np.flatnonzero(_density(product, mean, coarse) > _FAINT)
    low, high = coarse[max(inside[0] - 1, 0)], coarse[min(inside[-1] + 1, len(coarse) - 1)]
    # the density ends like a root, or a power, at either end: points gather there
    logarithms = low + (high - low) * (1 - np.cos(np.linspace(0, np.pi, points))) / 2
    zero = max((slopes.at_zero for slopes in product.slopes), default=0.0)
    return Law(np.exp(logarithms), _density(product, mean, logarithms), zero)


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
