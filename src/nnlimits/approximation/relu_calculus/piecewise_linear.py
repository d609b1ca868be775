"""Piecewise-linear functions of one variable, by one hidden layer."""

from typing import Any

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.relu_calculus.affine_map import AffineMap
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.validation import check_finite


def piecewise_linear(knots: Any, values: Any) -> ReluNetwork:
    """The function that interpolates values at knots linearly, and is constant outside of them, as `numpy.interp` is.

    Depth 1; a unit for each knot where the slope changes, so at most as many as there are knots.

    **Arguments:** `knots`, in ascending order, two or more; `values`, one at each knot, or a row for several outputs.

    **Raises:** `ValueError` for knots out of order, fewer than two, other shapes, or numbers that are not finite.
    """
    knots, values = np.asarray(knots, np.float64), np.asarray(values, np.float64)
    check_finite("knots", knots)
    check_finite("values", values)
    if knots.ndim != 1 or len(knots) < 2 or not (np.diff(knots) > 0).all():
        raise ValueError(
            f"knots must be two or more numbers in strictly ascending order; received {knots.tolist()[:8]}"
        )
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != len(knots):
        raise ValueError(f"values must have one row for each of {len(knots)} knots; received shape {values.shape}")
    changes = slope_changes(knots, values)
    bends = (changes != 0).any(axis=1)
    if not bends.any():  # a constant, which takes no unit
        return ReluNetwork((AffineMap(np.zeros((1, values.shape[1])), values[0]),))
    first = AffineMap(np.ones((1, bends.sum())), -knots[bends])
    return ReluNetwork((first, AffineMap(changes[bends], values[0])))


def slope_changes(
    knots: Float[np.ndarray, " k"], values: Float[np.ndarray, "k outputs"]
) -> Float[np.ndarray, "k outputs"]:
    """By how much the slope of the interpolant changes at each knot, 0 before the first and behind the last."""
    slopes = np.diff(values, axis=0) / np.diff(knots)[:, None]
    return np.diff(np.pad(slopes, ((1, 1), (0, 0))), axis=0)
