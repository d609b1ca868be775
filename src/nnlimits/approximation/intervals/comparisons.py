"""Comparisons, truth values, and the choice between values."""

from typing import Any

import numpy as np

from nnlimits.approximation.intervals.interval import Interval, Larger, known
from nnlimits.approximation.intervals.registry import register


@register("lt")
def less(_: Any, a: Interval, b: Interval) -> Interval:
    """Certainly true where all of `a` is below all of `b`."""
    return _truth(a.upper < b.lower, a.lower < b.upper) if a is not b else _certain(a, False)


@register("gt")
def greater(equation: Any, a: Interval, b: Interval) -> Interval:
    """`b < a`."""
    return less(equation, b, a)


@register("le", "le_to")
def at_most(_: Any, a: Interval, b: Interval) -> Interval:
    """Certainly true where no part of `a` is above any of `b`."""
    return _truth(a.upper <= b.lower, a.lower <= b.upper) if a is not b else _certain(a, True)


@register("ge")
def at_least(equation: Any, a: Interval, b: Interval) -> Interval:
    """`b <= a`."""
    return at_most(equation, b, a)


@register("eq")
def equal(_: Any, a: Interval, b: Interval) -> Interval:
    """Possibly true where the intervals meet; a value equals itself, as there is no NaN among real numbers."""
    if a is b:
        return _certain(a, True)
    for one, result in ((a, b), (b, a)):
        other = result.other(one) if isinstance(result, Larger) else None
        if other is not None:
            return at_least(None, one, other)
    single = (a.lower == a.upper) & (b.lower == b.upper)
    return _truth(single & (a.lower == b.lower), (a.lower <= b.upper) & (b.lower <= a.upper))


@register("ne")
def unequal(equation: Any, a: Interval, b: Interval) -> Interval:
    """The opposite of `eq`."""
    return negation(equation, equal(equation, a, b))


@register("is_finite")
def finite(_: Any, a: Interval) -> Interval:
    """True: the values are real numbers."""
    return _certain(a, True)


@register("not")
def negation(_: Any, a: Interval) -> Interval:
    """The opposite."""
    _check_truth("not", a)
    return _truth(~a.upper, ~a.lower)


@register("and")
def conjunction(_: Any, a: Interval, b: Interval) -> Interval:
    """Both."""
    _check_truth("and", a, b)
    return _truth(a.lower & b.lower, a.upper & b.upper)


@register("or")
def disjunction(_: Any, a: Interval, b: Interval) -> Interval:
    """Either."""
    _check_truth("or", a, b)
    return _truth(a.lower | b.lower, a.upper | b.upper)


@register("xor")
def difference(_: Any, a: Interval, b: Interval) -> Interval:
    """One of them."""
    _check_truth("xor", a, b)
    certain = (a.lower == a.upper) & (b.lower == b.upper)
    return _truth(certain & (a.lower ^ b.lower), ~certain | (a.lower ^ b.lower))


@register("select_n")
def select(_: Any, which: Interval, *cases: Interval) -> Interval:
    """The case that is chosen; the hull of both where either may be."""
    if which.lower.dtype != bool or len(cases) == 1:
        if not which.exact:
            raise NotImplementedError("a choice between more than two cases by a value that depends on the point")
        return Interval(
            np.choose(which.lower, [case.lower for case in cases]),
            np.choose(which.lower, [case.upper for case in cases]),
        )
    no, yes = cases
    if which.exact and no.exact and yes.exact:
        return known(np.where(which.lower, yes.lower, no.lower))
    lower = np.where(which.lower, yes.lower, np.where(which.upper, np.minimum(no.lower, yes.lower), no.lower))
    upper = np.where(which.lower, yes.upper, np.where(which.upper, np.maximum(no.upper, yes.upper), no.upper))
    return Interval(lower, upper)


@register("convert_element_type")
def convert(equation: Any, a: Interval) -> Interval:
    """Another type of numbers: of a narrower floating-point one with the error of rounding to it."""
    dtype = np.dtype(equation.params["new_dtype"])
    if not np.issubdtype(dtype, np.floating):
        if a.lower.dtype.kind == "f" and dtype.kind in "iu":
            return a.moved(lambda values: np.trunc(values).astype(dtype))
        return a.moved(lambda values: values.astype(dtype))
    wide = a.moved(lambda values: values.astype(np.float64))
    if a.lower.dtype.kind != "f" or np.finfo(dtype).eps <= np.finfo(np.float64).eps:
        return wide
    if wide.exact and (wide.lower.astype(dtype) == wide.lower).all():
        return wide
    error = wide.magnitude * float(np.finfo(dtype).eps) + float(np.finfo(dtype).smallest_subnormal)
    return Interval(np.nextafter(wide.lower - error, -np.inf), np.nextafter(wide.upper + error, np.inf))


def _truth(certainly: Any, possibly: Any) -> Interval:
    return known(certainly) if (certainly == possibly).all() else Interval(certainly, possibly)


def _certain(a: Interval, value: bool) -> Interval:
    return known(np.full(np.shape(a.lower), value))


def _check_truth(name: str, *operands: Interval) -> None:
    if any(operand.lower.dtype != bool for operand in operands):
        raise NotImplementedError(f"the primitive {name} of the bits of integers that depend on the point")
