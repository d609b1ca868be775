"""The singularities of a zonal kernel at equal and at opposite inputs, read off its values near them."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits.rkhs.zonal import Zonal

_CLOSE = np.array([1e-4, 1e-5, 1e-6])
"""Angles at which a power below two stands out of everything smooth."""
_LEAST_CHANGE = 1e-12
"""Of the kernel's scale: changes between those angles below this have too few digits for their power."""
_SAME_POWER = 2e-3
_ALMOST_SMOOTH, _SMOOTH_SLOPE = 1.95, 0.01

_DEGREE, _POINTS = 14, 60
_WIDTHS = 2.0 ** -np.arange(-1.0, 14.0)
_ODD = (1, 3, 5)
_STANDS_OUT, _DEVIATIONS = 30, 5
_ROUNDING = float(np.finfo(np.float64).eps) / 4


class Singularity(NamedTuple):
    """`coefficient * (1 - t)^power`, the first term that is no whole power of `1 - t` (or of `1 + t`)."""

    power: float
    """Infinite where none stands out of rounding."""
    coefficient: float
    error: float
    """A bound of the coefficient's error: without a power, of the coefficient of a `(1 - t)^(3/2)` that would not be seen."""


def singularity(function: Zonal, opposite: bool) -> Singularity:
    """The singularity at equal or at opposite inputs, where the angle from them is theta.

    As `1 -+ t = theta^2 / 2 + ...`, it is the first power of theta that is not even: one below two is seen in the values closest
    by, and 1, 3 or 5 in fits of polynomials on narrower and narrower intervals. A smooth kernel that is not resolved on an
    interval seems to have such a term too, but another one on each interval; so only one on which two intervals agree counts.

    **Raises:** `ValueError` for a kernel that is singular by no such power, as by `theta^2 log(theta)`.
    """
    scale = abs(function.diagonal)
    at_end, *near = function(np.concatenate([[0.0], _CLOSE]), np.full(1 + len(_CLOSE), opposite))
    changes = np.array(near) - at_end
    slopes = _slopes(changes, scale)
    if np.ptp(slopes) < _SAME_POWER and slopes[-1] < _ALMOST_SMOOTH:
        return _of_power(changes, round(float(slopes[-1]), 3))
    values = function((_WIDTHS[:, None] * _NODES).ravel(), np.full(len(_WIDTHS) * _POINTS, opposite)) - at_end
    found = [_odd_term(values.reshape(len(_WIDTHS), _POINTS), power, scale) for power in _ODD]
    for term in found:
        if abs(term.coefficient) > _STANDS_OUT * term.error:
            return term
    if (np.abs(slopes[np.isfinite(slopes)][-1:] - 2) > _SMOOTH_SLOPE).any():
        where = "opposite" if opposite else "equal"
        raise ValueError(
            f"the kernel's singularity at {where} inputs is no power that could be found; fit the eigenvalues of "
            "nnlimits.rkhs.mercer at high degrees instead"
        )
    return Singularity(math.inf, 0.0, found[_ODD.index(3)].error)


def _slopes(changes: np.ndarray, scale: float) -> np.ndarray:
    """The local powers of theta between the closest angles; NaN where rounding hides them."""
    seen = np.abs(changes) > _LEAST_CHANGE * scale
    sizes = np.log10(np.where(seen, np.abs(changes), math.nan))
    return np.diff(sizes) / np.diff(np.log10(_CLOSE))


def _of_power(changes: np.ndarray, power: float) -> Singularity:
    """The coefficient by extrapolation, as the next term is smaller by a factor of theta or so."""
    middle, close = (changes / _CLOSE**power)[1:] * 2 ** (power / 2)
    correction = float((close - middle) * _CLOSE[2] / (_CLOSE[1] - _CLOSE[2]))
    error = abs(correction) + 1e-15 / _CLOSE[2] ** power
    return Singularity(power / 2, float(close) + correction, float(error))


def _odd_term(values: Float[np.ndarray, "widths points"], power: int, scale: float) -> Singularity:
    """The term of `theta^power`, from the interval on which its coefficient is known best."""
    polynomials = values @ _PROJECTION.T
    unresolved = np.sqrt(np.square(values - polynomials @ _CHEBYSHEV.T).mean(1))
    rounding = np.maximum(unresolved, _ROUNDING * scale)
    functional = _derivative_at_zero(power)
    shrink = _WIDTHS**power / 2 ** (power / 2)
    coefficients = polynomials @ functional / shrink
    errors = _DEVIATIONS * np.linalg.norm(functional @ _PROJECTION) * rounding / shrink
    errors[1:] += np.abs(np.diff(coefficients))
    best = 1 + int(errors[1:].argmin())
    return Singularity(power / 2, float(coefficients[best]), float(errors[best]))


def _derivative_at_zero(power: int) -> Float[np.ndarray, " degrees"]:
    """The coefficients of `x^power` in Chebyshev polynomials of `2 x - 1`."""
    degrees = np.arange(_DEGREE + 1.0)
    found = (-1.0) ** (degrees + power) * 2.0**power / math.factorial(power)
    for i in range(power):
        found *= (degrees**2 - i**2) / (2 * i + 1)
    return found


_NODES = (1 - np.cos(np.pi * (np.arange(_POINTS) + 0.5) / _POINTS)) / 2
_CHEBYSHEV = np.polynomial.chebyshev.chebvander(2 * _NODES - 1, _DEGREE)
_PROJECTION = _CHEBYSHEV.T * np.where(np.arange(_DEGREE + 1) > 0, 2.0, 1.0)[:, None] / _POINTS
"""From values at the nodes to coefficients, as Chebyshev polynomials are orthogonal there."""
