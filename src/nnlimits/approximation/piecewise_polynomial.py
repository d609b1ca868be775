"""Piecewise polynomials of one variable, continuous or with jumps."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.polynomial import polynomial as powers

from nnlimits.approximation.domain import Box
from nnlimits.approximation.relu_calculus.polynomial import local_coefficients
from nnlimits.validation import check_finite

_ROUNDING = 64 * np.finfo(np.float64).eps
"""Relative jumps below this are rounding, not jumps."""


@dataclasses.dataclass(frozen=True, eq=False)
class PiecewisePolynomial:
    """The function that is, from each breakpoint to the next, a polynomial.

    A function of points (n, 1) to values (n,): it can be given as `f` to any theorem. At a breakpoint inside, where it may jump,
    it has the value of the piece on the right.

    **Arguments:** `breakpoints`, k + 1 numbers in ascending order; `coefficients`, for each of the k pieces the coefficients of
    1, x, x^2, ... (of x itself, not of its distance from a breakpoint), of any number.

    **Raises:** `TypeError` for what are no numbers; `ValueError` for breakpoints out of order or other than one more than pieces,
    or numbers that are not finite.
    """

    breakpoints: Float[np.ndarray, " breakpoints"]
    coefficients: tuple[Float[np.ndarray, " powers"], ...]

    def __init__(self, breakpoints: Any, coefficients: Any) -> None:
        try:
            ends = np.array(breakpoints, np.float64)
            pieces = tuple(np.array(piece, np.float64) for piece in coefficients)
        except (TypeError, ValueError):
            raise TypeError(
                "breakpoints must be numbers, and coefficients a list of numbers for each piece, such as [0, 1, 2] and "
                f"[[1, 2], [3]]; received {breakpoints!r} and {coefficients!r}"
            ) from None
        check_finite("breakpoints", ends)
        if ends.ndim != 1 or not (np.diff(ends) > 0).all() or len(ends) != len(pieces) + 1 or not pieces:
            raise ValueError(
                f"breakpoints must ascend, and be one more than pieces; received {ends.tolist()} for {len(pieces)} pieces"
            )
        for piece, low, high in zip(pieces, ends[:-1], ends[1:], strict=True):
            local_coefficients(piece, float(low), float(high))  # refuses what is no polynomial
        object.__setattr__(self, "breakpoints", ends)
        object.__setattr__(self, "coefficients", pieces)

    @property
    def domain(self) -> Box:
        """From the first breakpoint to the last."""
        return Box((float(self.breakpoints[0]),), (float(self.breakpoints[-1]),))

    @property
    def jumps(self) -> Float[np.ndarray, " inside"]:
        """By how much the value rises at each breakpoint inside; what rounding explains is exactly zero."""
        inside = self.breakpoints[1:-1]
        left, right = (
            np.array([powers.polyval(x, piece) for x, piece in zip(inside, pieces, strict=True)])
            for pieces in (self.coefficients[:-1], self.coefficients[1:])
        )
        size = np.array(
            [
                sum(powers.polyval(abs(x), np.abs(piece)) for piece in pair)
                for x, *pair in zip(inside, self.coefficients[:-1], self.coefficients[1:], strict=True)
            ]
        )
        rises = np.asarray(right - left, np.float64)
        return np.where(np.abs(rises) > _ROUNDING * size, rises, 0.0) if inside.size else np.zeros(0)

    @property
    def is_continuous(self) -> bool:
        """Whether it has no jumps."""
        return not self.jumps.any()

    def __call__(self, x: Float[Any, "n 1"]) -> Float[np.ndarray, " n"]:
        """The values at points; outside of the breakpoints, those of the outer pieces."""
        points = np.asarray(x, np.float64)[:, 0]
        place = np.clip(np.searchsorted(self.breakpoints, points, side="right") - 1, 0, len(self.coefficients) - 1)
        values = np.empty(len(points))
        for piece, coefficients in enumerate(self.coefficients):
            values[place == piece] = powers.polyval(points[place == piece], coefficients)
        return values
