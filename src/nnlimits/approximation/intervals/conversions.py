"""Other types of numbers."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from nnlimits.approximation.intervals.comparisons import unequal
from nnlimits.approximation.intervals.interval import Interval, down, known, up
from nnlimits.approximation.intervals.registry import register

_WHOLE = 2**53
"""Integers up to this are numbers of double precision."""


@register("convert_element_type")
def convert(equation: Any, a: Interval) -> Interval:
    """To truth values, to integers by leaving out what follows the point, or to real numbers."""
    dtype = np.dtype(equation.params["new_dtype"])
    if dtype.kind == "b":
        return a if a.lower.dtype.kind == "b" else unequal(equation, a, known(np.zeros_like(a.lower)))
    if dtype.kind in "iu":
        return to_integers(a.moved(np.trunc) if a.lower.dtype.kind == "f" else a, dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise NotImplementedError(f"a conversion to {dtype.name}, which has no order")
    return _rounded(to_reals(a), dtype)


def to_reals(a: Interval) -> Interval:
    """Integers or truth values in double precision, outwards where they are too large for it."""
    if a.lower.dtype.kind not in "iu":
        return a.moved(lambda values: values.astype(np.float64))
    large = (a.lower < -_WHOLE) | (a.upper > _WHOLE)
    wide = a.moved(lambda values: values.astype(np.float64))
    if not large.any():
        return wide
    return Interval(np.where(large, down(wide.lower), wide.lower), np.where(large, up(wide.upper), wide.upper))


def to_integers(a: Interval, dtype: Any) -> Interval:
    """Whole numbers in a type of integers: any of them where some may be too large, as the program's are then not defined."""
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    if a.lower.dtype.kind == "f":
        outside = ~((a.lower >= float(least)) & (a.upper < float(most) + 1))
    else:
        outside = (a.lower < least) | (a.upper > most)
    if not outside.any():
        return a.moved(lambda values: values.astype(dtype))
    lower, upper = (np.where(outside, 0, ends).astype(dtype) for ends in a)
    return Interval(np.where(outside, least, lower).astype(dtype), np.where(outside, most, upper).astype(dtype))


def _rounded(a: Interval, dtype: Any) -> Interval:
    """With the error of rounding to a narrower type, whose small numbers some devices take for zero."""
    info = jnp.finfo(dtype)
    if info.eps <= np.finfo(np.float64).eps:
        return a
    if (
        a.exact
        and (a.lower.astype(dtype).astype(np.float64) == a.lower).all()
        and ((np.abs(a.lower) >= info.tiny) | (a.lower == 0)).all()
    ):
        return a
    error = a.magnitude * float(info.eps) + float(info.tiny)
    lower, upper = down(a.lower - error), up(a.upper + error)
    largest = float(info.max)
    return Interval(np.where(lower < -largest, -np.inf, lower), np.where(upper > largest, np.inf, upper))
