"""The order at which a discrete method approaches its idealisation."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

Vector = Sequence[Any] | np.ndarray


class Order(NamedTuple):
    """Errors as `exp(intercept) step^slope`, by least squares in logarithms."""

    slope: float
    intercept: float
    local: Float[np.ndarray, " pairs"]
    """The slope between each step size and the next: it tends to the order as steps shrink."""


def order_of_error(steps: Vector, errors: Vector) -> Order:
    """Fit a power law to errors measured at several step sizes (or learning rates).

    **Arguments:** `steps` and `errors`, of one length, positive; two or more different steps.

    **Raises:** `ValueError` for other numbers.
    """
    x, y = np.asarray(steps, np.float64), np.asarray(errors, np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(np.unique(x)) < 2:
        raise ValueError(f"steps and errors must be vectors of one length, of two or more different steps; received "
                         f"shapes {x.shape} and {y.shape}")  # fmt: skip
    if not ((x > 0) & (y > 0) & np.isfinite(x) & np.isfinite(y)).all():
        raise ValueError(f"steps and errors must be positive and finite; received {x} and {y}")
    order = np.argsort(-x)
    x, y = np.log(x[order]), np.log(y[order])
    slope, intercept = np.polyfit(x, y, 1)
    return Order(float(slope), float(intercept), np.diff(y) / np.diff(x))
