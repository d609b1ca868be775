"""Collocation of `d^2 C / ds dt = F(C)` on the square of depths, where F bends along the diagonal `s = t`.

Of one input with itself, at depths s and t, a kinked activation gives an F whose derivative jumps at `s = t`. So either
triangle has nodes of its own: in the lower one `s = u^2, t = (u v)^2` with Gauss-Legendre nodes u and v in [0, 1]; in the upper
one s and t are exchanged. In the roots of depths F is smooth also where inputs are opposite to each other at the start.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

_QUADRATURE = 40


class Collocation(NamedTuple):
    """Pairs of depths, first those with `s > t` and then, in the same order, the same with s and t exchanged; and integrals over
    rectangles [0, s] x [0, t] of a function given at these pairs.
    """

    first: np.ndarray
    """s of each pair, (pairs,)."""
    rectangles: np.ndarray
    """Over the rectangle of each pair, (pairs, pairs)."""
    squares: np.ndarray
    """Over [0, s] x [0, s] of each pair, (pairs, pairs)."""
    whole: np.ndarray
    """Over [0, 1] x [0, 1], (1, pairs)."""

    @property
    def pairs(self) -> int:
        """Number of pairs."""
        return len(self.first)


@cache
def collocation(count: int) -> Collocation:
    """With `count` nodes for each coordinate in either triangle."""
    nodes = _legendre(count)[0]
    u, v = (grid.ravel() for grid in np.meshgrid(nodes, nodes, indexing="ij"))
    roots = np.concatenate([u, u * v]), np.concatenate([u * v, u])
    jacobian = 4 * roots[0] * roots[1]  # ds dt = 4 sqrt(s t) d sqrt(s) d sqrt(t)

    def integrals(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.stack([_rectangle(count, a, b) for a, b in zip(first, second, strict=True)]) * jacobian

    one = np.ones(1)
    return Collocation(roots[0] ** 2, integrals(*roots), integrals(roots[0], roots[0]), integrals(one, one))


def _rectangle(count: int, a: float, b: float) -> np.ndarray:
    """The integral over [0, a] x [0, b] of the polynomials in (u, v) that are one at one node, of either triangle."""
    low, high = min(a, b), max(a, b)
    x, w = _legendre(_QUADRATURE)
    # both triangles up to the smaller root: du (u dv)
    triangle = np.outer((low * w * low * x) @ _lagrange(count, low * x), w @ _lagrange(count, x)).ravel()
    parts = [triangle, triangle]
    if high > low:
        # beyond it, v from 0 to low / u, in one of them; nodes are spread in log(u)
        u = low * (high / low) ** x
        inner = np.einsum("q,uqj->uj", w, _lagrange(count, low / u[:, None] * x))
        weights = w * np.log(high / low) * u * low  # du = u log(high / low) dx; u dv = low dx
        strip = np.einsum("u,ui,uj->ij", weights, _lagrange(count, u), inner).ravel()
        side = 0 if a > b else 1
        parts[side] = parts[side] + strip
    return np.concatenate(parts)


def _legendre(count: int) -> tuple[np.ndarray, np.ndarray]:
    z, w = np.polynomial.legendre.leggauss(count)
    return (z + 1) / 2, w / 2


def _lagrange(count: int, x: np.ndarray) -> np.ndarray:
    """The polynomials that are one at one node and zero at the others, along a new last axis: by Legendre polynomials, whose
    products sum up to these at Gauss nodes.
    """
    z, w = np.polynomial.legendre.leggauss(count)
    degrees = np.arange(count)
    at_nodes = np.polynomial.legendre.legvander(z, count - 1) * w[:, None] * (degrees + 0.5)
    return np.polynomial.legendre.legvander(2 * x - 1, count - 1) @ at_nodes.T
