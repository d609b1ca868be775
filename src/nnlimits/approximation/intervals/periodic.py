"""Sine and cosine of intervals, with the extremes that lie inside."""

from typing import Any

import numpy as np

from nnlimits.approximation.intervals.interval import UNIT, Interval, widened
from nnlimits.approximation.intervals.registry import register
from nnlimits.approximation.intervals.undefined import refuse

_UNITS = 8.0


@register("sin")
def sin(_: Any, a: Interval) -> Interval:
    """The sine: its largest value at `pi/2 + 2 pi k`, its least at `-pi/2 + 2 pi k`."""
    return _periodic(np.sin, a, 0.25)


@register("cos")
def cos(_: Any, a: Interval) -> Interval:
    """The cosine: its largest value at `2 pi k`, its least at `pi + 2 pi k`."""
    return _periodic(np.cos, a, 0.0)


@register("tan")
def tan(_: Any, a: Interval) -> Interval:
    """The tangent between two poles.

    **Raises:** `ZeroDivisionError` for an interval with a pole.
    """
    pole = _holds(a, 0.25) | _holds(a, 0.75)
    if pole.any():
        place = tuple(int(i) for i in np.argwhere(pole)[0])
        refuse(
            ZeroDivisionError(f"tan has a pole between {a.lower[place]:g} and {a.upper[place]:g}; take smaller boxes")
        )
    lower, upper = widened(np.tan(a.lower), _UNITS).lower, widened(np.tan(a.upper), _UNITS).upper
    return Interval(np.where(pole, -np.inf, lower), np.where(pole, np.inf, upper))


def _periodic(function: Any, a: Interval, top: float) -> Interval:
    """`function` is largest at the turn `top`, a fraction of 2 pi, and least half a turn later."""
    with np.errstate(invalid="ignore"):
        low, high = widened(function(a.lower), _UNITS), widened(function(a.upper), _UNITS)
    lower, upper = np.minimum(low.lower, high.lower), np.maximum(low.upper, high.upper)
    lower = np.where(_holds(a, top + 0.5) | np.isnan(lower), -1.0, lower)
    upper = np.where(_holds(a, top) | np.isnan(upper), 1.0, upper)
    return Interval(np.maximum(lower, -1.0), np.minimum(upper, 1.0))


def _holds(a: Interval, turn: float) -> Any:
    """Whether `2 pi (turn + k)` may lie in the interval for some integer k; rounding may only add to the answer."""
    low, high = a.lower / (2 * np.pi) - turn, a.upper / (2 * np.pi) - turn
    # the quotient errs by three roundings and that of pi, the difference by one more: 8 units of their sizes are more
    slack = 8 * UNIT * (np.maximum(np.abs(low), np.abs(high)) + 1)
    with np.errstate(invalid="ignore"):
        held = np.floor(high + slack) >= np.ceil(low - slack)
    return held | ~np.isfinite(a.lower) | ~np.isfinite(a.upper)
