"""Intervals of numbers, and rounding outwards."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

UNIT = 2.0**-53
"""The unit roundoff of double precision: the largest relative error of one correctly rounded operation."""


_LARGEST = np.finfo(np.float64).max


class Interval(NamedTuple):
    """Arrays of lower and upper ends; of one array for both where the values are known exactly.

    Of truth values, `lower` says what is certainly true and `upper` what is possibly true.
    """

    lower: Any
    upper: Any

    @property
    def exact(self) -> bool:
        """Whether the values are known exactly; said by the two ends being one object."""
        return self.lower is self.upper

    @property
    def width(self) -> Any:
        """Upper bounds of the lengths."""
        return np.nextafter(self.upper - self.lower, np.inf) if not self.exact else np.zeros_like(self.lower)

    @property
    def magnitude(self) -> Any:
        """The largest absolute values."""
        return np.abs(self.lower) if self.exact else np.maximum(-self.lower, self.upper)

    @property
    def mignitude(self) -> Any:
        """The smallest absolute values."""
        return np.abs(self.lower) if self.exact else np.maximum(np.maximum(self.lower, -self.upper), 0.0)

    def moved(self, move: Callable[[Any], Any]) -> "Interval":
        """With entries put elsewhere, and both ends alike."""
        return known(move(self.lower)) if self.exact else Interval(move(self.lower), move(self.upper))

    def contains(self, values: Any) -> Any:
        """Where values lie between the ends."""
        return (self.lower <= values) & (values <= self.upper)

    def intersect(self, other: "Interval") -> "Interval":
        """What two enclosures of the same values leave."""
        return Interval(np.maximum(self.lower, other.lower), np.minimum(self.upper, other.upper))

    def hull(self, other: "Interval") -> "Interval":
        """The least interval around both."""
        return Interval(np.minimum(self.lower, other.lower), np.maximum(self.upper, other.upper))


class Larger(Interval):
    """The larger of two operands: what it equals is known where one of them is certainly larger.

    Derivatives of a maximum ask where an operand equals the result, which the ends alone do not tell.
    """

    operands: tuple[Interval, Interval]

    @classmethod
    def of(cls, a: Interval, b: Interval) -> "Larger":
        """The larger one of two."""
        result = cls(np.maximum(a.lower, b.lower), np.maximum(a.upper, b.upper))
        result.operands = (a, b)
        return result

    def other(self, one: Interval) -> Interval | None:
        """The operand beside `one`; None if that is none of the two."""
        for place in (0, 1):
            if one is self.operands[place] or _same(one, self.operands[place]):
                return self.operands[1 - place]
        return None


def _same(a: Interval, b: Interval) -> bool:
    return a.exact and b.exact and a.lower.size == b.lower.size == 1 and a.lower.item() == b.lower.item()


def known(values: Any) -> Interval:
    """Values that are known exactly."""
    values = np.asarray(values)
    return Interval(values, values)


def down(values: Any) -> Any:
    """The next smaller numbers."""
    return np.nextafter(values, -np.inf)


def up(values: Any) -> Any:
    """The next larger numbers."""
    return np.nextafter(values, np.inf)


def outward(lower: Any, upper: Any, exact: Any = False) -> Interval:
    """The interval around the true ends whose correctly rounded values are given; `exact`, where no rounding took place.

    What is no number, the difference of infinities, is anything.
    """
    lower, upper = np.where(exact, lower, down(lower)), np.where(exact, upper, up(upper))
    nothing = np.isnan(lower) | np.isnan(upper)
    if nothing.any():
        lower, upper = np.where(nothing, -np.inf, lower), np.where(nothing, np.inf, upper)
    return Interval(lower, upper)


def widened(values: Any, units: float) -> Interval:
    """The interval around true values that are given to `units` units in the last place, and no worse near zero.

    What has overflowed is beyond nearly the largest number, and what is no number is anything.
    """
    finite = np.clip(values, -_LARGEST, _LARGEST)
    error = np.abs(finite) * (2 * units * UNIT * (1 + 4 * UNIT)) + np.finfo(np.float64).smallest_subnormal * units
    with np.errstate(over="ignore"):
        lower, upper = down(finite - error), up(finite + error)
    nothing = np.isnan(values)
    return Interval(
        np.where(nothing | (values == -np.inf), -np.inf, lower), np.where(nothing | (values == np.inf), np.inf, upper)
    )


def gamma(operations: int) -> float:
    """An upper bound of `k u / (1 - k u)`, the relative error of summing k products in any order (Higham 2002, section 3.1)."""
    product = operations * UNIT
    return product / (1 - product) * (1 + 8 * UNIT)
