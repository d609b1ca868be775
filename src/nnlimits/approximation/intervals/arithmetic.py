"""Sums, products, quotients and powers of intervals."""

from typing import Any

import numpy as np

from nnlimits.approximation.intervals.interval import Interval, Larger, down, known, outward, up, widened
from nnlimits.approximation.intervals.registry import register
from nnlimits.approximation.intervals.undefined import refuse

_POWER_UNITS = 8.0
"""Units in the last place by which `np.power` may err; measured below one (tests), documented below four."""


@register("add", "add_any")
def add(_: Any, a: Interval, b: Interval) -> Interval:
    """The sum; exact where one operand or the sum is zero."""
    if not np.issubdtype(a.lower.dtype, np.floating):
        return Interval(a.lower + b.lower, a.upper + b.upper)
    return _sum(a, b.lower, b.upper)


@register("sub")
def sub(_: Any, a: Interval, b: Interval) -> Interval:
    """The difference, zero of one value from itself."""
    if a is b:
        return known(np.zeros_like(a.lower))
    return _sum(a, -b.upper, -b.lower)


@register("neg")
def neg(_: Any, a: Interval) -> Interval:
    """The negative."""
    return known(-a.lower) if a.exact else Interval(-a.upper, -a.lower)


@register("mul")
def mul(equation: Any, a: Interval, b: Interval) -> Interval:
    """The product; a square where both operands are one value."""
    if a is b:
        return square(equation, a)
    if a.exact and b.exact:
        return _rounded(a.lower * b.lower, (a.lower == 0) | (b.lower == 0))
    if a.exact or b.exact:
        factor, other = (a.lower, b) if a.exact else (b.lower, a)
        ends = np.stack(np.broadcast_arrays(_times(factor, other.lower), _times(factor, other.upper)))
        return outward(ends.min(0), ends.max(0), factor == 0)
    ends = np.stack([_times(x, y) for x in a for y in b])
    lower, upper = ends.min(0), ends.max(0)
    zero = ((a.lower == 0) & (a.upper == 0)) | ((b.lower == 0) & (b.upper == 0))
    positive = (a.lower >= 0) & (b.lower >= 0)
    product = outward(lower, upper, zero)
    return Interval(np.where(positive, np.maximum(product.lower, 0.0), product.lower), product.upper)


@register("div")
def div(equation: Any, a: Interval, b: Interval) -> Interval:
    """The quotient.

    **Raises:** `ZeroDivisionError` if an interval of the denominator contains zero.
    """
    zero = (b.lower <= 0) & (b.upper >= 0)
    if zero.any():
        refuse(_division_by_zero(b, zero))
        safe = div(equation, a, Interval(np.where(zero, 1.0, b.lower), np.where(zero, 1.0, b.upper)))
        return Interval(np.where(zero, -np.inf, safe.lower), np.where(zero, np.inf, safe.upper))
    if a.exact and b.exact:
        return _rounded(a.lower / b.lower, (a.lower == 0) | (np.abs(b.lower) == 1))
    with np.errstate(invalid="ignore", over="ignore"):
        ends = np.stack(np.broadcast_arrays(*(x / y for x in a for y in b)))
    zero_above = (a.lower == 0) & (a.upper == 0)
    return outward(ends.min(0), ends.max(0), zero_above)


@register("rem")
def remainder(equation: Any, a: Interval, b: Interval) -> Interval:
    """`a - b trunc(a / b)`, of the sign of a, and less than b in absolute value.

    **Raises:** `ZeroDivisionError` if an interval of the divisor contains zero.
    """
    quotient = div(equation, a, b).moved(np.trunc)
    size = np.minimum(a.magnitude, b.magnitude)
    lower, upper = np.where(a.lower < 0, -size, 0.0), np.where(a.upper > 0, size, 0.0)
    undefined = np.isinf(quotient.lower) | np.isinf(quotient.upper)
    once = (quotient.lower == quotient.upper) & ~undefined
    within = sub(equation, a, mul(equation, b, known(np.where(once, quotient.lower, 0.0))))
    lower, upper = (
        np.where(once, np.maximum(within.lower, lower), lower),
        np.where(once, np.minimum(within.upper, upper), upper),
    )
    zero = (b.lower <= 0) & (b.upper >= 0)
    return Interval(np.where(zero, -np.inf, lower), np.where(zero, np.inf, upper))


@register("square")
def square(_: Any, a: Interval) -> Interval:
    """The square."""
    if a.exact:
        return _rounded(a.lower * a.lower, a.lower == 0)
    low, high = a.mignitude, a.magnitude
    return Interval(np.maximum(down(low * low), 0.0), up(high * high))


@register("integer_pow")
def integer_pow(equation: Any, a: Interval) -> Interval:
    """An integer power.

    **Raises:** `ZeroDivisionError` for a negative power of an interval that contains zero.
    """
    power = equation.params["y"]
    if power < 0:
        one = known(np.ones_like(a.lower))
        return div(equation, one, _power(a, -power))
    return _power(a, power)


@register("pow")
def real_pow(equation: Any, a: Interval, b: Interval) -> Interval:
    """A power with a known integer as exponent, or of a base that is not negative.

    **Raises:** `ValueError` for a power of what may be negative.
    """
    if b.exact and b.lower.size and (b.lower == b.lower.flat[0]).all() and float(b.lower.flat[0]).is_integer():
        power = int(b.lower.flat[0])
        return _power(a, power) if power >= 0 else div(equation, known(np.ones_like(a.lower)), _power(a, -power))
    negative = a.lower < 0
    if negative.any():
        refuse(ValueError(f"a power that is no integer, of a base that may be as low as {a.lower.min():g}"))
        safe = real_pow(equation, Interval(np.maximum(a.lower, 0.0), np.maximum(a.upper, 0.0)), b)
        return Interval(np.where(negative, -np.inf, safe.lower), np.where(negative, np.inf, safe.upper))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        ends = [widened(np.power(x, y.astype(np.float64)), _POWER_UNITS) for x in a for y in b]
    return Interval(
        np.maximum(np.min([end.lower for end in ends], axis=0), 0.0), np.max([end.upper for end in ends], axis=0)
    )


@register("abs")
def absolute(_: Any, a: Interval) -> Interval:
    """The absolute value."""
    return known(np.abs(a.lower)) if a.exact else Interval(a.mignitude, a.magnitude)


@register("max")
def maximum(_: Any, a: Interval, b: Interval) -> Interval:
    """The larger one."""
    return known(np.maximum(a.lower, b.lower)) if a.exact and b.exact else Larger.of(a, b)


@register("min")
def minimum(_: Any, a: Interval, b: Interval) -> Interval:
    """The smaller one."""
    return _ends(np.minimum, a, b)


@register("clamp")
def clamp(_: Any, low: Interval, a: Interval, high: Interval) -> Interval:
    """Between two bounds."""
    return _ends(np.minimum, _ends(np.maximum, a, low), high)


def _division_by_zero(b: Interval, zero: Any) -> ZeroDivisionError:
    place = tuple(int(i) for i in np.argwhere(zero)[0])
    return ZeroDivisionError(
        f"the denominator at index {place} may be any number from {b.lower[place]:g} to {b.upper[place]:g}, zero among them; "
        "take smaller boxes, or write the function so that it divides by no zero"
    )


def _ends(function: Any, a: Interval, b: Interval) -> Interval:
    """A function that is increasing in both operands, and exact."""
    if a.exact and b.exact:
        return known(function(a.lower, b.lower))
    return Interval(function(a.lower, b.lower), function(a.upper, b.upper))


def _sum(a: Interval, low: Any, high: Any) -> Interval:
    with np.errstate(invalid="ignore", over="ignore"):
        lower, upper = a.lower + low, a.upper + high
    exact_below = (lower == 0) | (a.lower == 0) | (low == 0)
    exact_above = (upper == 0) | (a.upper == 0) | (high == 0)
    lower, upper = np.where(exact_below, lower, down(lower)), np.where(exact_above, upper, up(upper))
    return Interval(np.where(np.isnan(lower), -np.inf, lower), np.where(np.isnan(upper), np.inf, upper))


def _times(x: Any, y: Any) -> Any:
    """The product, zero of zero with anything: of a set with the set {0} it is {0}, however large its ends."""
    with np.errstate(invalid="ignore", over="ignore"):
        product = x * y
    return np.where(np.isnan(product), 0.0, product)


def _rounded(values: Any, exact: Any) -> Interval:
    return known(values) if np.all(exact) else outward(values, values, exact)


def _power(a: Interval, power: int) -> Interval:
    """By repeated squares and products of ends of one sign, rounded outwards at each step."""
    if power == 0:
        return known(np.ones_like(a.lower))
    if power == 1:
        return a
    if power % 2 == 0:
        low, high = a.mignitude, a.magnitude
        return Interval(_raised(low, power, down), _raised(high, power, up))
    lower = np.where(a.lower >= 0, _raised(np.abs(a.lower), power, down), -_raised(np.abs(a.lower), power, up))
    upper = np.where(a.upper >= 0, _raised(np.abs(a.upper), power, up), -_raised(np.abs(a.upper), power, down))
    return Interval(lower, upper)


def _raised(base: Any, power: int, rounding: Any) -> Any:
    """A power of what is not negative, rounded down or up."""
    with np.errstate(over="ignore"):
        result, factor = np.ones_like(base), base
        started = False
        while power:
            if power % 2:
                result = np.maximum(rounding(result * factor), 0.0) if started else factor
                started = True
            power //= 2
            if power:
                factor = np.maximum(rounding(factor * factor), 0.0)
    # an exact zero stays one; down never goes beyond what overflows
    return np.where(base == 0, 0.0, result)
