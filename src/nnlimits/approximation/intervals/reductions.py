"""Sums, products, extremes and orders along axes."""

import math
from typing import Any

import numpy as np

from nnlimits.approximation.intervals.arithmetic import mul
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


@register("reduce_prod")
def product(equation: Any, a: Interval) -> Interval:
    """The product, one factor after the other."""
    axes = equation.params["axes"]
    count = math.prod(np.shape(a.lower)[axis] for axis in axes)
    kept = [axis for axis in range(np.ndim(a.lower)) if axis not in axes]
    shape = [np.shape(a.lower)[axis] for axis in kept]
    factors = a.moved(lambda values: np.transpose(values, [*axes, *kept]).reshape(count, *shape))
    return _products(equation, factors)[-1]


@register("cumprod")
def running_product(equation: Any, a: Interval) -> Interval:
    """Products of all entries up to each."""
    axis, backward = equation.params["axis"], equation.params["reverse"]

    def ordered(values: Any) -> Any:
        moved = np.moveaxis(values, axis, 0)
        return moved[::-1] if backward else moved

    found = _products(equation, a.moved(ordered))[1:]
    stacked = Interval(np.stack([each.lower for each in found]), np.stack([each.upper for each in found]))
    return stacked.moved(lambda values: np.moveaxis(values[::-1] if backward else values, 0, axis))


def _products(equation: Any, factors: Interval) -> list[Interval]:
    """One, the first factor along the first axis, its product with the second, and so on."""
    found = [known(np.ones(np.shape(factors.lower)[1:]))]
    for place in range(len(factors.lower)):
        found.append(mul(equation, found[-1], factors.moved(lambda values, place=place: values[place])))
    return found


@register("cummax", "cummin")
def running_extreme(equation: Any, a: Interval) -> Interval:
    """The largest or least of all entries up to each."""
    axis, backward = equation.params["axis"], equation.params["reverse"]
    extreme = np.maximum if equation.primitive.name == "cummax" else np.minimum

    def running(values: Any) -> Any:
        ordered = np.flip(values, axis) if backward else values
        found = extreme.accumulate(ordered, axis)
        return np.flip(found, axis) if backward else found

    return a.moved(running)


@register("sort")
def ascending(equation: Any, a: Interval, *others: Interval) -> Interval:
    """The entries in order, each of which increases with all of them.

    **Raises:** `NotImplementedError` for several arrays in the order of one, as in `argsort` and in derivatives of a sort.
    """
    if others:
        raise NotImplementedError("the primitive sort of several arrays in the order of one that depends on the point")
    return a.moved(lambda values: np.sort(values, equation.params["dimension"]))


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
        # sums of what is not negative are not, as roots of sums of squares need
        lower = np.where(total_of(np.minimum(a.lower, 0)) == 0, np.maximum(lower, 0), lower)
    lower, upper = np.where(np.isnan(lower), -np.inf, lower), np.where(np.isnan(upper), np.inf, upper)
    return known(lower) if (lower == upper).all() else Interval(lower, upper)
