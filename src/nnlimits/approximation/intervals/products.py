"""Products of matrices, in the form of midpoints and radii."""

import math
from typing import Any

import numpy as np

from nnlimits.approximation.intervals.interval import UNIT, Interval, gamma, up
from nnlimits.approximation.intervals.registry import register


@register("dot_general")
def dot_general(equation: Any, a: Interval, b: Interval) -> Interval:
    """A sum of products over contracted axes.

    With midpoints c and radii r, `|a b - c_a c_b| <= r_a (|c_b| + r_b) + |c_a| r_b`, and the computed product of midpoints errs
    by at most `gamma_k |c_a| |c_b|`, k the number of products (Rump 1999; Higham 2002, equation 3.13), in whatever order and
    with or without fused operations.
    """
    (left_axes, right_axes), (left_batch, right_batch) = equation.params["dimension_numbers"]
    left = a.moved(lambda values: _matrices(values, left_batch, left_axes, contracted_last=True))
    right = b.moved(lambda values: _matrices(values, right_batch, right_axes, contracted_last=False))
    shape = equation.outvars[0].aval.shape
    return multiplied(left, right).moved(lambda values: np.reshape(values, shape))


def multiplied(a: Interval, b: Interval) -> Interval:
    """The product of (stacks of) matrices."""
    (centre_a, radius_a), (centre_b, radius_b) = _centred(a), _centred(b)
    terms = np.shape(a.lower)[-1]
    error = gamma(terms)
    size_a, size_b = np.abs(centre_a), np.abs(centre_b)
    with np.errstate(invalid="ignore", over="ignore"):
        middle = centre_a @ centre_b
        if radius_b is None:
            spread = (size_a * error if radius_a is None else up(radius_a + size_a * error)) @ size_b
        elif radius_a is None:
            spread = size_a @ up(radius_b + size_b * error)
        else:
            spread = radius_a @ up(size_b + radius_b) + size_a @ up(radius_b + size_b * error)
        # computed sums of what is not negative err by a relative gamma; the last term is for what underflows
        spread = up(spread * (1 + 4 * gamma(terms + 4))) + terms * 2 * np.finfo(np.float64).smallest_subnormal
        lower, upper = np.nextafter(middle - spread, -np.inf), np.nextafter(middle + spread, np.inf)
    if (a.lower >= 0).all() and (b.lower >= 0).all():
        lower = np.maximum(lower, 0)
    return Interval(np.where(np.isnan(lower), -np.inf, lower), np.where(np.isnan(upper), np.inf, upper))


def _centred(a: Interval) -> tuple[Any, Any]:
    """Midpoints, and radii about the midpoints as computed; `None` for radii that are all zero."""
    if a.exact:
        return a.lower, None
    with np.errstate(invalid="ignore", over="ignore"):
        centre = a.lower + (a.upper - a.lower) / 2
        radius = up(np.maximum(a.upper - centre, centre - a.lower) * (1 + 4 * UNIT))
    unbounded = ~np.isfinite(a.lower) | ~np.isfinite(a.upper)
    if unbounded.any():
        centre, radius = np.where(unbounded, 0.0, centre), np.where(unbounded, np.inf, radius)
    return centre, radius


def _matrices(values: Any, batch: Any, contracted: Any, *, contracted_last: bool) -> Any:
    """With axes (batch..., free, contracted), or (batch..., contracted, free)."""
    free = [axis for axis in range(values.ndim) if axis not in batch and axis not in contracted]
    sizes = [values.shape[axis] for axis in batch]
    lengths = math.prod(values.shape[axis] for axis in free), math.prod(values.shape[axis] for axis in contracted)
    if contracted_last:
        return np.transpose(values, [*batch, *free, *contracted]).reshape(*sizes, *lengths)
    return np.transpose(values, [*batch, *contracted, *free]).reshape(*sizes, *reversed(lengths))
