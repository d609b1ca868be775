"""Why depth: how far shallow networks stay from Telgarsky's sawtooth."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from nnlimits.approximation.optimal_pieces import achieved_by_pieces, least_error_of_pieces
from nnlimits.approximation.relu_calculus import ReluNetwork
from nnlimits.approximation.sawtooth import layered_sawtooth, sawtooth
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_positive

_LARGEST = 7
"""Beyond it the programme over all intervals takes gigabytes."""


class DepthRow(NamedTuple):
    """What one depth takes to come close to the sawtooth."""

    depth: int
    """Hidden layers."""
    needed: int
    """No network of that depth with fewer units is closer to the sawtooth than 1/16 in L^1, by the theorem."""
    built: int
    """Units of `layered_sawtooth`, which is the sawtooth."""
    distance: float
    """How far that network is from the sawtooth of width 2, at most, at the multiples of 2^-k."""


class DepthSeparation(NamedTuple):
    """How close functions of few pieces come to the sawtooth of 2^k pieces; norms are of L^2[0, 1] unless said otherwise."""

    k: int
    """The sawtooth is that of k layers."""
    pieces: Int[np.ndarray, " n"]
    """Numbers of pieces P; a network of one hidden layer with N units has at most N + 1."""
    theorem_l1: Float[np.ndarray, " n"]
    """No continuous function of P pieces is closer in L^1: `sawtooth_distance`."""
    theorem: Float[np.ndarray, " n"]
    """The same in L^2."""
    least: Float[np.ndarray, " n"]
    """No function of P linear pieces is closer, by dynamic programming over all intervals of a grid."""
    achieved: Float[np.ndarray, " n"]
    """What networks of one hidden layer with P units reach."""
    depths: tuple[DepthRow, ...]
    """What each depth from 1 to 2 k takes for the sawtooth of 2 k layers."""
    deep: ReluNetwork
    """The sawtooth itself, of width 2."""

    @property
    def holds(self) -> bool:
        """Whether the bounds are in order: theorem, least error, achieved error."""
        return bool((self.theorem <= self.least).all() and (self.least <= self.achieved).all())


def sawtooth_distance(k: int, count: int, *, p: float = 1.0) -> float:
    """How far every continuous function of P linear pieces is from `sawtooth(k)` in L^p[0, 1], at least.

    The sawtooth crosses 1/2 in 2^k places; between two neighbouring ones lies a triangle over or under 1/2, of base 2^-k and
    height 1/2: 2^k - 1 of them. The function f crosses 1/2 at most P times. At least 2^k - 1 - P triangles have none of its
    crossings inside, in at most P + 1 runs in which f stays on one side, and of neighbours in a run every other one lies on the
    other side: at least (2^k - 2 - 2 P) / 2 triangles, over each of which `|f - s|^p` integrates to at least
    `2^-k 2^-p / (p + 1)`. So

        |f - s|_p^p >= (1 - (2 P + 2) / 2^k) / (2^{p+1} (p + 1)),

    which for p = 1 is 1/16 for P up to `2^k / 4 - 1`; its root tends to 1/2, the height of triangles, for p to infinity. (The
    argument of Telgarsky 2015, Theorem 1.1, and 2016, Theorem 1.1, with its constants for this function.)

    **Raises:** `ValueError` for k, P or p below 1.
    """
    k, count = as_integer("k", 1, k), as_integer("count", 1, count)
    if p != math.inf:
        check_positive("p", p)
    if p < 1:
        raise ValueError(f"p must be at least 1; received {p}")
    share = max(0.0, 1 - (2 * count + 2) / 2**k)
    if share == 0 or p == math.inf:
        return 0.5 if share else 0.0
    return 0.5 * (share / (2 * (p + 1))) ** (1 / p)


def units_needed(k: int, depth: int) -> int:
    """Fewer hidden units in `depth` layers are at least 1/16 from `sawtooth(k)` in L^1[0, 1].

    A network of layers of widths m_l has at most `prod (1 + m_l)` pieces, so by the inequality of means
    `(1 + M / L)^L` for M units in all, and with up to `2^k / 4 - 1` pieces `sawtooth_distance` is at least 1/16.

    **Raises:** `ValueError` for k below 3, where one piece is too many for the theorem, or a depth below 1.
    """
    k, depth = as_integer("k", 3, k), as_integer("depth", 1, depth)
    # the least M with (1 + M / L)^L > 2^k / 4 - 1, in integers
    allowed = (2 ** (k - 2) - 1) * depth**depth
    few, many = -1, 2**k
    while many - few > 1:
        units = (few + many) // 2
        few, many = (few, units) if (depth + units) ** depth > allowed else (units, many)
    return many


def depth_rows(k: int, advance: Advance = ignore) -> tuple[DepthRow, ...]:
    """For each depth from 1 to k, the units that the theorem demands and those with which `layered_sawtooth` is exact.

    **Raises:** `ValueError` for k below 3.
    """
    points = np.arange(2**k + 1)[:, None] / 2**k
    rows = []
    for depth in range(1, k + 1):
        built = layered_sawtooth(k, depth)
        parts = np.array_split(points, 1 + built.width // 64)
        distance = max(float(np.abs(built(part) - sawtooth(k)(part)).max()) for part in parts)
        rows.append(DepthRow(depth, units_needed(k, depth), built.units, distance))
        advance("depth")
    return tuple(rows)


def depth_separation(k: int = 6, *, advance: Advance = ignore) -> DepthSeparation:
    """Shallow networks against `sawtooth(k)`: what the theorem forbids, the least possible error, and what is achieved.

    For each number of pieces up to 2^k: the theorem's lower bound, a lower bound by dynamic programming (any function of P
    pieces, continuous or not), and the error of a network of P units in one layer. And `depth_rows` for the sawtooth of 2 k
    layers, whose teeth are too many for that programme.

    **Arguments:** `k`, 3 to 7; `advance`, told of each number of pieces and each depth.

    **Raises:** `ValueError` for another k.
    """
    k = as_integer("k", 3, k)
    if k > _LARGEST:
        raise ValueError(f"k must be at most {_LARGEST}, as the programme runs over all intervals; received {k}")
    counts = np.arange(1, 2**k + 1)
    return DepthSeparation(
        k,
        counts,
        np.array([sawtooth_distance(k, int(count)) for count in counts]),
        np.array([sawtooth_distance(k, int(count), p=2.0) for count in counts]),
        least_error_of_pieces(k, len(counts), advance),
        np.array([achieved_by_pieces(k, int(count)) for count in counts]),
        depth_rows(2 * k, advance),
        sawtooth(k),
    )
