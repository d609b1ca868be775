"""How far the evaluation of a network in floating point may be from its real numbers."""

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from nnlimits import nn
from nnlimits.approximation.domain import Box
from nnlimits.approximation.intervals import (
    Interval,
    enclose,
    enclose_derivatives,
    is_continuous,
    known,
    unbounded_where_undefined,
)
from nnlimits.approximation.intervals.arithmetic import add
from nnlimits.approximation.intervals.interval import UNIT
from nnlimits.approximation.intervals.products import multiplied
from nnlimits.nn.slopes import slopes

_ACTIVATION_UNITS = 16
"""Roundings in evaluating an activation."""


def rounding_bound(network: nn.Layer, params: PyTree, domain: Box, dtype: Any = np.float64) -> float:
    """A bound for points of the box, of rounding the point and the parameters to a type, and of evaluation in it.

    Errors are carried from layer to layer: a sum of k products errs by `gamma_(k+3)` of its sizes, parameters' rounding included
    (Higham 2002, section 3.1), an activation by its slope and a few roundings. Next to a jump of an activation a rounded argument
    may fall on the other side; that moves the jump by a rounding, and is not in the bound.

    **Returns:** the bound; infinity for networks of other words than `Dense` and activations, or numbers that the type does not
    hold.
    """
    try:
        parts = list(_layers(network, params))
    except NotImplementedError:
        return np.inf
    unit, largest = float(jnp.finfo(dtype).eps) / 2, float(jnp.finfo(dtype).max)
    values = Interval(np.asarray(domain.lower), np.asarray(domain.upper))
    error = unit * values.magnitude * (unit > UNIT)  # points are given in double precision
    for word, part in parts:
        if isinstance(word, nn.Activation):
            values, error = _activated(word, values, error, unit)
        else:
            values, error = _multiplied(part, values, error, unit)
        if not (values.magnitude + error < largest).all():
            return np.inf
    return float(error.max())


def has_jumps(network: nn.Layer) -> bool:
    """Whether an activation may jump, so that the bound of rounding is not one near its jumps."""
    if isinstance(network, nn.Sequential):
        return any(has_jumps(layer) for layer in network.layers)
    return isinstance(network, nn.Activation) and not is_continuous(network, 1)


def _layers(network: nn.Layer, params: PyTree) -> Iterator[tuple[nn.Layer, Any]]:
    if isinstance(network, nn.Sequential):
        for layer, part in zip(network.layers, params, strict=True):
            yield from _layers(layer, part)
    elif isinstance(network, nn.Activation) or (type(network) is nn.Dense and "bias" in params):
        yield network, params
    else:
        raise NotImplementedError(f"the rounding of {network!r}")


def _gamma(operations: int, unit: float) -> float:
    """The relative error of so many roundings; infinite if they are too many for the type."""
    product = operations * unit
    return product / (1 - product) if product < 1 else np.inf


def _multiplied(params: PyTree, values: Interval, error: np.ndarray, unit: float) -> tuple[Interval, np.ndarray]:
    weight, bias = (np.asarray(params[name], np.float64) for name in ("weight", "bias"))
    product = multiplied(values.moved(lambda ends: ends[None]), known(weight)).moved(lambda ends: ends[0])
    sizes = np.abs(weight).T @ (values.magnitude + error) + np.abs(bias)
    return add(None, product, known(bias)), np.abs(weight).T @ error + _gamma(len(weight) + 3, unit) * sizes


def _activated(word: nn.Activation, values: Interval, error: np.ndarray, unit: float) -> tuple[Interval, np.ndarray]:
    slack = error + values.magnitude * 1e-12
    low, high = (values.lower - slack)[:, None], (values.upper + slack)[:, None]
    size, steepest = _sizes_and_slopes(word, low, high)
    with unbounded_where_undefined():
        result = enclose(word, values.lower[:, None], values.upper[:, None]).moved(lambda ends: ends[:, 0])
    bounded = Interval(np.fmax(result.lower, -size), np.fmin(result.upper, size))
    return bounded, steepest * error + _gamma(_ACTIVATION_UNITS, unit) * size


def _sizes_and_slopes(activation: nn.Activation, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the activation and of its slope on intervals (n, 1)."""
    with unbounded_where_undefined():
        if not is_continuous(activation, 1):
            return enclose(activation, low, high).magnitude.reshape(-1), np.zeros(len(low))
        value, slope = enclose_derivatives(activation, low, high)
        at_zero = float(enclose(activation, np.zeros((1, 1)), np.zeros((1, 1))).magnitude[0, 0])
    claimed = slopes(activation)
    largest = np.inf if claimed is None else float(claimed.lipschitz)
    steepest = np.fmin(slope.magnitude[:, 0, 0], largest)
    farthest = np.maximum(np.abs(low), np.abs(high))[:, 0]
    with np.errstate(invalid="ignore"):
        return np.fmin(value.magnitude[:, 0], at_zero + largest * farthest), steepest
