"""Quadrature of Gaussian expectations of one, two, three and four units, split where the nonlinearity is not smooth.

Two units are integrated in polar coordinates of their whitened plane. A kink at zero is then a ray, so that panels in the
angle end at it whatever the variances and the correlation; a kink elsewhere is a line, at which the panels in the radius
end, and two lines meet at an angle at which those in the angle end.
"""

import math
from functools import cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.kernels.panels import GRADED, gaussian_panels, panel_ends

RADIUS = 10.0
"""Where the radius is cut where it has panels; beyond it lies 2e-22 of a Gaussian."""
_RADIAL_ENDS = (0.0, 1.0, 2.2, 3.6, 5.5, RADIUS)
_INNER_ENDS = (-9.0, -3.5, -1.2, 1.2, 3.5, 9.0)


class Plane(NamedTuple):
    """Nodes and weights of the expectation over two independent standard normal numbers."""

    z1: Float[Array, " nodes"]
    z2: Float[Array, " nodes"]
    weights: Float[Array, " nodes"]


class Lines(NamedTuple):
    """Lines in the plane, at `distance` (which may be negative) along the direction `angle`."""

    angle: Float[Array, " lines"]
    distance: Float[Array, " lines"]


def line_rule(
    kinks: tuple[float, ...], deviation: Float[Array, ""], order: int = 10
) -> tuple[Float[Array, " nodes"], Float[Array, " nodes"]]:
    """Nodes and weights of `E[f(deviation z)]`, `z ~ N(0, 1)`, for `f` with `kinks`."""
    moving = [kink / deviation for kink in kinks if kink != 0.0] or [jnp.zeros_like(deviation)]
    return gaussian_panels(panel_ends(GRADED, moving), order)


def plane_rule(ends: Float[Array, " ends"], lines: Lines | None, order: int, radial_order: int) -> Plane:
    """Polar nodes: `order` in the angle on each panel between the sorted `ends`, which span a full turn.

    With `lines`, kinks that do not pass through the origin, the radius has panels too.
    """
    nodes, weights = (jnp.asarray(v, ends.dtype) for v in _legendre(order))
    half = (ends[1:] - ends[:-1])[:, None] / 2
    angle = (ends[:-1, None] + half * (1 + nodes)).reshape(-1)
    angle_weights = (half * weights).reshape(-1) / (2 * math.pi)
    radius, radius_weights = _radii(angle, lines, radial_order)
    z1, z2 = radius * jnp.cos(angle)[:, None], radius * jnp.sin(angle)[:, None]
    return Plane(z1.reshape(-1), z2.reshape(-1), (radius_weights * angle_weights[:, None]).reshape(-1))


def _radii(
    angle: Float[Array, " angles"], lines: Lines | None, order: int
) -> tuple[Float[Array, "angles radii"], Float[Array, "angles radii"]]:
    if lines is None:
        nodes, weights = (jnp.asarray(v, angle.dtype) for v in radial_rule(order))
        return jnp.broadcast_to(nodes, (angle.size, order)), jnp.broadcast_to(weights, (angle.size, order))
    along = jnp.cos(angle[:, None] - lines.angle)
    along = jnp.where(jnp.abs(along) < 1e-6, 1e-6, along)
    moving = lines.distance / along
    moving = jnp.where((moving > 0) & (moving < RADIUS), moving, RADIUS)
    fixed = jnp.broadcast_to(jnp.asarray(_RADIAL_ENDS, angle.dtype), (angle.size, len(_RADIAL_ENDS)))
    ends = jnp.sort(jnp.concatenate([fixed, moving], axis=1), axis=1)
    nodes, weights = (jnp.asarray(v, angle.dtype) for v in _legendre(14))
    half = (ends[:, 1:] - ends[:, :-1])[..., None] / 2
    radius = ends[:, :-1, None] + half * (1 + nodes)
    density = half * weights * radius * jnp.exp(-(radius**2) / 2)
    return radius.reshape(angle.size, -1), density.reshape(angle.size, -1)


def crossings(lines: Lines) -> Float[Array, " angles"]:
    """Angles, and their opposites, at which two of the lines meet."""
    i, j = np.triu_indices(lines.angle.size, 1)
    d1, d2, a1, a2 = lines.distance[i], lines.distance[j], lines.angle[i], lines.angle[j]
    y = d2 * jnp.cos(a1) - d1 * jnp.cos(a2)
    x = d1 * jnp.sin(a2) - d2 * jnp.sin(a1)
    parallel = (jnp.abs(x) + jnp.abs(y)) < 1e-10
    angle = jnp.arctan2(jnp.where(parallel, 0.0, y), jnp.where(parallel, 1.0, x))
    return jnp.concatenate([angle, angle + math.pi])


def turn(angles: Float[Array, " angles"]) -> Float[Array, " ends"]:
    """Sorted ends of panels that span a full turn, from -pi/2, and end at all `angles`."""
    start = -math.pi / 2
    wrapped = start + jnp.mod(angles - start, 2 * math.pi)
    edge = jnp.asarray([start, start + 2 * math.pi], angles.dtype)
    return jnp.sort(jnp.concatenate([edge, wrapped]))


def inner_rule(
    kinks: tuple[float, ...], mean: Float[Array, " outer"], deviation: Float[Array, ""]
) -> tuple[Float[Array, "#outer inner"], Float[Array, "#outer inner"]]:
    """Nodes and weights of `E[f(mean + deviation x)]`, `x ~ N(0, 1)`, for `f` with `kinks`."""
    if not kinks:
        nodes, weights = _hermite(28)
        return jnp.asarray(nodes, mean.dtype)[None], jnp.asarray(weights, mean.dtype)[None]
    safe = jnp.where(deviation > 0, deviation, 1.0)
    moving = [jnp.clip((kink - mean) / safe, -9.0, 9.0) for kink in kinks]
    return gaussian_panels(panel_ends(_INNER_ENDS, moving), 8)


@cache
def _legendre(order: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(order)


@cache
def _hermite(order: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    return nodes, weights / weights.sum()


@cache
def radial_rule(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss's rule for the weight `r exp(-r^2 / 2)` on the half-line, by the Stieltjes procedure on a fine grid."""
    base, base_weights = _legendre(400)
    r = 8.0 * (1 + base)
    w = 8.0 * base_weights * r * np.exp(-(r**2) / 2)
    alpha, beta = np.zeros(order), np.zeros(order)
    before, now = np.zeros_like(r), np.ones_like(r) / math.sqrt(w.sum())
    for k in range(order):
        alpha[k] = (w * r * now**2).sum()
        after = (r - alpha[k]) * now - (beta[k - 1] if k else 0.0) * before
        beta[k] = math.sqrt((w * after**2).sum())
        before, now = now, after / beta[k]
    matrix = np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1)
    nodes, vectors = np.linalg.eigh(matrix)
    return nodes, w.sum() * vectors[0] ** 2
