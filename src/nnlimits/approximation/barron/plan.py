"""What the theorem promises before a network is made: its bound, how steep units must be, and the points to fit."""

import math

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.barron.claims import Claims
from nnlimits.approximation.barron.ridge_units import RidgeUnits, to_cube

_SMOOTHED = 0.1
"""What finitely steep units may add to the bound, relative to it."""

_FITTING_SEED = 5
_FEWEST_POINTS = 4096
_MOST_POINTS = 2**16
_POINTS_EACH = 16
"""Points for each number of a unit: d of its direction, threshold and weight. Least squares with p numbers on m points is too
small on them and too large elsewhere by `sqrt((m + p) / (m - p))` together, here 1.06; at 4 points it is 1.3."""


def theorem_bound(claims: Claims, dictionary: RidgeUnits, count: int) -> float:
    """`V / (2 sqrt(count))`, and what finitely steep units add."""
    return claims.variation / (2 * math.sqrt(count)) * (1 + _SMOOTHED * dictionary.is_smooth)


def steep_enough(dictionary: RidgeUnits, claims: Claims, count: int) -> tuple[RidgeUnits, float]:
    """Units so steep that f is near their hull, by `_SMOOTHED` times the bound, and that distance.

    A ridge function g with `|g'| <= c`, an integral of steps with weights g'(u), is off by `c M / tau` at most where units stand
    for steps, M the activation's `excess`; by Fourier, the sum of the c is C_f. Of a variation alone, the L^2 distance of a unit
    from its step counts: the density of `alpha . z` is at most d / 2, so that it is `sqrt(d M / (2 tau))`.
    """
    if not dictionary.is_smooth:
        return dictionary, 0.0
    assert dictionary.sigmoidal is not None
    excess, d = dictionary.sigmoidal.excess, claims.target.domain.dimension
    allowed = _SMOOTHED / (2 * math.sqrt(count))
    steepest = excess / (2 * allowed) if claims.constant is not None else d * excess / (2 * allowed**2)
    return RidgeUnits(dictionary.activation, max(steepest, 1.0)), allowed * claims.variation


def fitting_points(claims: Claims, count: int) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    """Points of the cube from -1 to 1 and the values there: `_POINTS_EACH` for each number that is fitted, within limits."""
    fitted = count * (claims.target.domain.dimension + 2)
    n = min(max(_FEWEST_POINTS, 2 ** math.ceil(math.log2(_POINTS_EACH * fitted))), _MOST_POINTS)
    x = claims.target.domain.dense(n, _FITTING_SEED)[:n]
    return to_cube(claims.target.domain, x), claims.target(x)[:, 0]
