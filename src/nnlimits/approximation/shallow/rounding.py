"""How far the evaluation of a hidden layer in floating point may be from its real numbers."""

from typing import Any

import numpy as np

from nnlimits import nn
from nnlimits.approximation.domain import Box
from nnlimits.approximation.intervals import enclose, enclose_derivatives, is_continuous, unbounded_where_undefined
from nnlimits.approximation.intervals.interval import gamma
from nnlimits.approximation.shallow.ridges import Ridges
from nnlimits.nn.slopes import slopes

_ACTIVATION_UNITS = 16
"""Roundings in evaluating an activation."""


def rounding_bound(ridges: Ridges, activation: nn.Activation, domain: Box, dtype: Any = np.float64) -> float:
    """A bound for points of the box: of each unit's argument, its activation and the sum (Higham 2002, section 3.1).

    Next to a jump of the activation a rounded argument may fall on the other side; that moves the jump by a rounding, and is
    not in the bound.
    """
    ratio = float(np.finfo(dtype).eps / np.finfo(np.float64).eps)
    low, high = np.asarray(domain.lower), np.asarray(domain.upper)
    reach = np.abs(ridges.weights).T @ np.maximum(np.abs(low), np.abs(high)) + np.abs(ridges.biases)
    middle = ridges.weights.T @ (low + high) / 2 + ridges.biases
    radius = np.abs(ridges.weights).T @ (high - low) / 2 + reach * 1e-12
    size, steepest = _sizes_and_slopes(activation, (middle - radius)[:, None], (middle + radius)[:, None])
    arguments = gamma(len(domain.lower) + 2) * reach * steepest
    sums = (gamma(ridges.units + 2) + gamma(_ACTIVATION_UNITS)) * size
    total = np.abs(ridges.coefficients).T @ (arguments + sums) + gamma(2) * np.abs(ridges.constant)
    return float(ratio * total.max())


def _sizes_and_slopes(activation: nn.Activation, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the activation and of its slope on intervals (n, 1)."""
    with unbounded_where_undefined():
        if not is_continuous(activation, 1):
            return enclose(activation, low, high).magnitude.reshape(-1), np.zeros(len(low))
        value, slope = enclose_derivatives(activation, low, high)
        at_zero = float(enclose(activation, np.zeros((1, 1)), np.zeros((1, 1))).magnitude[0, 0])
    known = slopes(activation)
    largest = np.inf if known is None else float(known.lipschitz)
    steepest = np.fmin(slope.magnitude[:, 0, 0], largest)
    farthest = np.maximum(np.abs(low), np.abs(high))[:, 0]
    with np.errstate(invalid="ignore"):
        return np.fmin(value.magnitude[:, 0], at_zero + largest * farthest), steepest
