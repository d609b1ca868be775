"""Comparisons, truth values, and the choice between values."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlimits.approximation.intervals.interval import Interval, Larger, known
from nnlimits.approximation.intervals.registry import register


@register("lt", "lt_to")
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
    """Constants may be infinite; all else are real numbers, however large."""
    return known(np.isfinite(a.lower)) if a.exact else _certain(a, True)


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
    if which.lower.dtype != bool:
        return _selected(which, cases)
    if len(cases) == 1:
        return cases[0]
    no, yes = cases
    if which.exact and no.exact and yes.exact:
        return known(np.where(which.lower, yes.lower, no.lower))
    lower = np.where(which.lower, yes.lower, np.where(which.upper, np.minimum(no.lower, yes.lower), no.lower))
    upper = np.where(which.lower, yes.upper, np.where(which.upper, np.maximum(no.upper, yes.upper), no.upper))
    return Interval(lower, upper)


def _selected(which: Interval, cases: Sequence[Interval]) -> Interval:
    """By numbers, of which those beyond the ends count as the ends: the hull of the cases that may be chosen."""
    first, last = (np.clip(ends, 0, len(cases) - 1) for ends in which)
    lower, upper = cases[0]
    for number, case in enumerate(cases):
        begins, possible = first == number, (first <= number) & (number <= last)
        lower = np.where(begins, case.lower, np.where(possible, np.minimum(lower, case.lower), lower))
        upper = np.where(begins, case.upper, np.where(possible, np.maximum(upper, case.upper), upper))
    return Interval(lower, upper)


def _truth(certainly: Any, possibly: Any) -> Interval:
    return known(certainly) if (certainly == possibly).all() else Interval(certainly, possibly)


def _certain(a: Interval, value: bool) -> Interval:
    return known(np.full(np.shape(a.lower), value))


def _check_truth(name: str, *operands: Interval) -> None:
    if any(operand.lower.dtype != bool for operand in operands):
        raise NotImplementedError(f"the primitive {name} of the bits of integers that depend on the point")
