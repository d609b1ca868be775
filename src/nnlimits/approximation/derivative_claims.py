"""Bounds of higher derivatives: claimed ones tested on samples, missing ones estimated."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.target import Target
from nnlimits.validation import check_non_negative

_STENCILS = 2048
"""At so many points for each step, derivatives are compared with their bounds."""

_STEPS = 0.5, 0.05, 0.005
"""Lengths of stencils in parts of the side."""

_EVALUATION = 16
"""Units in the last place by which values of f may be wrong."""

SAFETY = 1.5
"""What estimates are multiplied by: the largest derivative lies between the points that were looked at."""


class Steepest(NamedTuple):
    """The largest n-th derivative found along an axis, and where."""

    derivative: float
    """Its absolute value is at least this somewhere on the stencil."""
    start: Float[np.ndarray, " d"]
    """The stencil's first point."""
    length: float
    """From its first to its last point."""


def as_derivative_bounds(value: Any, dimension: int) -> Float[np.ndarray, " d"]:
    """A bound for each axis, from one number for all or one for each.

    **Raises:** `ValueError` for other shapes, or bounds that are negative or not finite.
    """
    bounds = np.asarray(value, np.float64)
    if bounds.shape not in ((), (dimension,)):
        raise ValueError(f"derivative_bound must be a number, or one for each of {dimension} axes; received {value!r}")
    for bound in bounds.ravel():
        check_non_negative("derivative_bound", float(bound))
    return np.broadcast_to(bounds, (dimension,)).copy()


def steepest_derivatives(target: Target, order: int, seed: int = 2) -> list[Steepest]:
    """For each axis, the largest `|d^n f / dx_i^n|` that values of f prove.

    The n-th difference over a stencil of step s, divided by `s^n`, is the derivative at one of its points, by the mean value
    theorem; where f has no n-th derivative, a lower bound of the Lipschitz constant of the (n-1)-th. What rounding explains is
    taken off.
    """
    rng = np.random.default_rng(seed)
    signs = np.array([1.0])
    for _ in range(order):
        signs = np.convolve(signs, [1.0, -1.0])
    found = []
    for axis in range(target.domain.dimension):
        best = Steepest(0.0, target.domain.centre, 0.0)
        for part in _STEPS:
            length = part * target.domain.sides[axis]
            starts = target.domain.uniform(rng, _STENCILS)
            low = target.domain.lower[axis]
            starts[:, axis] = low + (starts[:, axis] - low) * (1 - part)
            steps = np.zeros((order + 1, 1, target.domain.dimension))
            steps[:, 0, axis] = np.arange(order + 1) * length / order
            points = np.minimum(starts + steps, target.domain.upper)
            values = target(points.reshape(-1, points.shape[-1])).reshape(order + 1, _STENCILS, -1)
            rounding = _EVALUATION * 2.0**order * np.finfo(np.float64).eps * np.abs(values).max()
            # the points themselves are rounded too, which shifts values by no more than a steep f does in one unit
            derivative = (np.abs(np.tensordot(signs, values, 1)).max(axis=1) - rounding) / (length / order) ** order
            place = int(np.argmax(derivative))
            if derivative[place] > best.derivative:
                best = Steepest(float(derivative[place]), starts[place], float(length))
        found.append(best)
    return found


def check_derivative_bounds(target: Target, order: int, bounds: Float[np.ndarray, " d"]) -> None:
    """Refuse bounds that samples contradict.

    **Raises:** `ValueError` with the place and the derivative found.
    """
    for axis, (bound, steepest) in enumerate(zip(bounds, steepest_derivatives(target, order), strict=True)):
        if steepest.derivative > bound * (1 + 1e-6):
            raise ValueError(
                f"derivative_bound={bound:g} is contradicted: along axis {axis}, within {steepest.length:.3g} from "
                f"{steepest.start.tolist()}, the derivative of order {order} reaches {steepest.derivative:.6g}; give a bound "
                "of at least that, or a lower order if there is none"
            )


def estimated_derivative_bounds(target: Target, order: int) -> Float[np.ndarray, " d"]:
    """`SAFETY` times the largest derivative found along each axis: no bound that is proved."""
    return np.array([SAFETY * steepest.derivative for steepest in steepest_derivatives(target, order)])
