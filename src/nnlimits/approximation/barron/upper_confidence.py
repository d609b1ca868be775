"""Upper bounds of L^2 norms from independent points."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.target import Target

FAILURE = 1e-9
"""The probability that a bound of `upper_confidence` is too small, over the points drawn."""

_POINTS = 2**16, 2**18, 2**20
"""Drawn in turn, each anew, until the bound is as small as is asked for."""

_BATCH = 2**14
_SEED = 77_000


class UpperConfidence(NamedTuple):
    """A bound of the L^2 norm over the box, which holds but for a probability of `FAILURE`."""

    bound: float
    mean: float
    """The root mean square on the points."""
    points: int
    """How many were drawn last, 0 if the bound was proved otherwise."""


def upper_confidence(target: Target, network: Callable[[Any], Any], largest: float, wanted: float) -> UpperConfidence:
    """Bound the root mean square over the box of the difference of a function and a network.

    The squares X lie between 0 and the square of `largest`. By the empirical Bernstein inequality (Maurer & Pontil 2009, Theorem
    4), of n independent points, but for a probability delta,

        E X <= mean + sqrt(2 variance log(2 / delta) / n) + 7 largest^2 log(2 / delta) / (3 (n - 1)).

    Points are drawn up to three times, 65,536 to 1,048,576 of them, until the bound is at most `wanted`; delta is a third of
    `FAILURE` each time.
    """
    factor = math.log(2 * len(_POINTS) / FAILURE)
    best = UpperConfidence(math.inf, math.inf, 0)
    for attempt, points in enumerate(_POINTS):
        squares = _squares(target, network, points, _SEED + attempt)
        mean = float(squares.mean())
        spread = math.sqrt(2 * float(squares.var(ddof=1)) * factor / points)
        bound = math.sqrt(mean + spread + 7 * largest**2 * factor / (3 * (points - 1)))
        best = min(best, UpperConfidence(bound, math.sqrt(mean), points))
        if best.bound <= wanted or mean > wanted**2:
            break
    return best


def _squares(target: Target, network: Callable[[Any], Any], points: int, seed: int) -> Float[np.ndarray, " points"]:
    rng = np.random.default_rng(seed)
    squares = []
    for _ in range(points // _BATCH):
        x = target.domain.uniform(rng, _BATCH)
        difference = target(x) - np.asarray(network(x), np.float64)
        squares.append(np.sum(difference**2, axis=1))
    return np.concatenate(squares)
