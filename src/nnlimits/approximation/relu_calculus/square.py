"""The square, exponentially well by depth."""

import numpy as np

from nnlimits.approximation.relu_calculus.affine_map import AffineMap
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.nn.fields import as_integer

_TOOTH = np.array([[2.0], [-4.0]])
"""The tent `g(x) = 2 relu(x) - 4 relu(x - 1/2)` on [0, 1], from its two units."""


def square(levels: int) -> ReluNetwork:
    """The piecewise-linear interpolant of `x^2` on [0, 1] at the multiples of `2^-levels`.

    `x - sum_{s=1}^L g_s(x) / 4^s`, where g_s, the tent composed with itself s times, is a sawtooth of 2^{s-1} teeth (Yarotsky
    2017, Proposition 2; Telgarsky 2015). Above `x^2` by at most `square_error(L) = 4^-(L+1)`, which it reaches in the middle
    between knots; exact at the knots; never outside of [0, 1]. Its slopes are at most 2 in absolute value.

    Depth L, width 3 (2 for L = 1), 3 L - 1 units and 8 L - 3 weights.

    **Arguments:** `levels`, L, at least 1.
    """
    levels = as_integer("levels", 1, levels)
    maps = [AffineMap([[1.0, 1.0]], np.array([0.0, -0.5]))]
    before = np.array([[1.0], [0.0]])  # the sum so far, x at first, from the units of the layer
    tooth = _TOOTH
    for level in range(1, levels):
        total = before - tooth / 4.0**level
        maps.append(AffineMap(np.hstack([tooth, tooth, total]), np.array([0.0, -0.5, 0.0])))
        before = np.array([[0.0], [0.0], [1.0]])
        tooth = np.vstack([_TOOTH, [[0.0]]])
    maps.append(AffineMap(before - tooth / 4.0**levels, np.zeros(1)))
    return ReluNetwork(tuple(maps))


def square_error(levels: int) -> float:
    """`4^-(levels + 1)`, exactly the largest distance of `square(levels)` from `x^2` on [0, 1].

    A chord of `x^2` over a length h is above it by `h^2 / 4` in its middle.
    """
    return 4.0 ** -(as_integer("levels", 1, levels) + 1)
