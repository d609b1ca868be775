"""Bounds over boxes in small cells: units are monotone, so that what they are in a cell lies between two values."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.barron.ridge_units import RidgeUnits, Units, evaluated
from nnlimits.approximation.domain import Box
from nnlimits.approximation.target import Target

_CELLS = 2**18
"""At most."""

_BATCH = 2**13
_ROUNDING = 1e-12
"""Of values between 0 and 1 and their sums, relative to the sum of absolute coefficients."""


class CellBounds(NamedTuple):
    """Bounds of the difference of a function and a network over a box."""

    sup: float
    """Of the largest absolute difference."""
    l2: float
    """Of the root mean square."""


def cell_bounds(
    target: Target,
    low: float,
    high: float,
    dictionary: RidgeUnits,
    units: Units,
    coefficients: Float[np.ndarray, " coefficients"],
) -> CellBounds:
    """Bound the difference in every cell of a regular grid: of the function by its Lipschitz constant, or else by its range.

    A unit rises with its ridge variable, which in a cell of the cube from -1 to 1 with half sides h varies by h about that of the
    centre, the directions having sum 1.

    **Arguments:** `target`; `low` and `high`, bounds of its values; `dictionary`; `units`; `coefficients`, first the constant.
    """
    cube = Box.cube(target.domain.dimension, -1.0, 1.0)
    each = int(_CELLS ** (1 / cube.dimension) + 1e-9)
    half = 1 / each
    steps = (2 * np.arange(each) + 1) / each - 1
    rounding = _ROUNDING * float(np.abs(coefficients).sum())
    reach = math.inf
    if target.lipschitz is not None:
        reach = target.lipschitz * target.domain.diameter / 2 / each
    largest, total, count = 0.0, 0.0, each**cube.dimension
    for start in range(0, count, _BATCH):
        places = np.unravel_index(np.arange(start, min(start + _BATCH, count)), (each,) * cube.dimension)
        z = np.stack([steps[place] for place in places], axis=1)
        values = target(target.domain.centre + z * target.domain.sides / 2)[:, 0]
        below, above = _ranges(dictionary, units, coefficients, z, half * (1 + 1e-9))
        upper = np.minimum(values + reach, high) - below
        lower = np.maximum(values - reach, low) - above
        worst = np.maximum(upper, -lower) + rounding
        largest, total = max(largest, float(worst.max())), total + float((worst**2).sum())
    return CellBounds(largest, math.sqrt(total / count))


def _ranges(
    dictionary: RidgeUnits,
    units: Units,
    coefficients: Float[np.ndarray, " coefficients"],
    z: Float[np.ndarray, "n d"],
    half: float,
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Lower and upper bounds of the network in cells about points."""
    positive, negative = np.maximum(coefficients[1:], 0), np.minimum(coefficients[1:], 0)
    up, down = (_shifted(dictionary, units, z, by) for by in (half, -half))
    return coefficients[0] + down @ positive + up @ negative, coefficients[0] + up @ positive + down @ negative


def _shifted(
    dictionary: RidgeUnits, units: Units, z: Float[np.ndarray, "n d"], by: float
) -> Float[np.ndarray, "n units"]:
    """The units where the ridge variable is larger by a number; values of rectified monomials stay divided as they were."""
    values = evaluated(dictionary, units._replace(thresholds=units.thresholds - by), z)
    if dictionary.sigmoidal is None:
        values = values * ((1 - units.thresholds + by) / (1 - units.thresholds)) ** dictionary.degree
    return np.minimum(values, 1.0)
