"""Sums and extremes along axes."""

from typing import Any

import numpy as np

from nnlimits.approximation.intervals.interval import Interval, gamma, known
from nnlimits.approximation.intervals.registry import register


@register("reduce_sum")
def total(equation: Any, a: Interval) -> Interval:
    """The sum, with the bound of the error of summing in any order."""
    axes = tuple(equation.params["axes"])
    if not np.issubdtype(a.lower.dtype, np.floating):
        return a.moved(lambda values: values.sum(axes))
    count = int(np.prod([np.shape(a.lower)[axis] for axis in axes]))
    return summed(a, count, lambda values: values.sum(axes))


@register("cumsum")
def running_total(equation: Any, a: Interval) -> Interval:
    """Sums of all entries up to each."""
    axis = equation.params["axis"]

    def running(values: Any) -> Any:
        if equation.params["reverse"]:
            return np.flip(np.cumsum(np.flip(values, axis), axis), axis)
        return np.cumsum(values, axis)

    if not np.issubdtype(a.lower.dtype, np.floating):
        return a.moved(running)
    return summed(a, np.shape(a.lower)[axis], running)


@register("reduce_max")
def largest(equation: Any, a: Interval) -> Interval:
    """The largest entry."""
    return a.moved(lambda values: values.max(tuple(equation.params["axes"])))


@register("reduce_min")
def least(equation: Any, a: Interval) -> Interval:
    """The least entry."""
    return a.moved(lambda values: values.min(tuple(equation.params["axes"])))


@register("reduce_and")
def every(equation: Any, a: Interval) -> Interval:
    """Whether all are true."""
    return a.moved(lambda values: values.all(tuple(equation.params["axes"])))


@register("reduce_or")
def some(equation: Any, a: Interval) -> Interval:
    """Whether any is true."""
    return a.moved(lambda values: values.any(tuple(equation.params["axes"])))


def summed(a: Interval, count: int, total_of: Any) -> Interval:
    """The sums of `count` entries each, by a function that computes them in any order."""
    if count <= 1:
        return a.moved(total_of)
    with np.errstate(invalid="ignore", over="ignore"):
        lower, upper = total_of(a.lower), total_of(a.upper)
        sizes = total_of(a.magnitude)
        # the sum of sizes is itself computed, with the same relative error
        error = np.where(sizes == 0, 0.0, np.nextafter(sizes * (gamma(count) * (1 + 4 * gamma(count))), np.inf))
        lower = np.where(error == 0, lower, np.nextafter(lower - error, -np.inf))
        upper = np.where(error == 0, upper, np.nextafter(upper + error, np.inf))
    lower, upper = np.where(np.isnan(lower), -np.inf, lower), np.where(np.isnan(upper), np.inf, upper)
    return known(lower) if (lower == upper).all() else Interval(lower, upper)
