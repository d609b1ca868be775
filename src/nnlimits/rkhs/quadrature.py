"""Quadrature over the angle between two points of a sphere, for kernels with singularities of any power at both ends."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from nnlimits.rkhs.gegenbauer import log_density

Nodes = Float[np.ndarray, " nodes"]

_RATIO, _LEVELS = 0.2, 16
_LEAST_LOG_WEIGHT = -300.0


class AngularRule(NamedTuple):
    """Nodes and weights of an integral over the uniform measure of a sphere; the weights sum to one."""

    distance: Nodes
    """From the nearer end of [0, pi]."""
    opposite: Bool[np.ndarray, " nodes"]
    """Whether that end is pi."""
    weights: Nodes

    @property
    def cosine(self) -> Nodes:
        """Of the angle."""
        return np.where(self.opposite, -1.0, 1.0) * np.cos(self.distance)


def angular_rule(dimension: int, degrees: int, nodes: int) -> AngularRule:
    """Gauss rules of so many nodes on panels that resolve polynomials of degree `degrees` and the density of S^(d-1).

    Kernels of networks are analytic in the angle between its ends (Bietti & Bach 2021), and have powers
    such as `theta`, `theta^3` or `theta^(1/2)` at the ends, where the panels shrink geometrically (Schwab 1998).
    """
    width = min(math.pi / 4, nodes / max(degrees, 1), 3 / math.sqrt(dimension))
    panels = math.ceil(math.pi / 2 / width)
    edges = np.linspace(0, math.pi / 2, panels + 1)
    graded = edges[1] * _RATIO ** np.arange(_LEVELS, 0, -1.0)
    edges = np.concatenate([[0.0], graded, edges[1:]])
    points, weights = np.polynomial.legendre.leggauss(nodes)
    half = np.diff(edges)[:, None] / 2
    distance = (edges[:-1, None] + half * (1 + points)).ravel()
    logarithm = np.log((half * weights).ravel()) + log_density(dimension, distance)
    kept = logarithm > _LEAST_LOG_WEIGHT
    distance, weight = distance[kept], np.exp(logarithm[kept])
    both = np.concatenate([weight, weight])
    opposite = np.repeat([False, True], len(weight))
    return AngularRule(np.concatenate([distance, distance]), opposite, both / both.sum())
