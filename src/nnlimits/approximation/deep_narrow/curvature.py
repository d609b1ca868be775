"""How much an activation bends: bounds of its second and third derivatives, and of its slope."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from nnlimits import nn
from nnlimits.approximation.intervals.enclose import enclose
from nnlimits.nn.slopes import slopes

_SAMPLES = 2049
_CHUNK = 8192
_BOXES = 64
_INFLATION = 1.05
"""Of what was found on samples; a bound so made is an estimate."""


class Bound(NamedTuple):
    """An upper bound, and whether it is proved."""

    value: float
    proved: bool


@functools.singledispatch
def largest_derivatives(activation: nn.Activation) -> tuple[float, float] | None:
    """Bounds of the absolute second and third derivative on the whole line; `None` if none are known. Rules by type."""
    del activation
    return None


largest_derivatives.register(nn.Tanh, lambda _: (4 / (3 * math.sqrt(3)), 2.0))
largest_derivatives.register(nn.Sigmoid, lambda _: (1 / (6 * math.sqrt(3)), 1 / 8))
largest_derivatives.register(nn.Softplus, lambda _: (1 / 4, 1 / (6 * math.sqrt(3))))


@largest_derivatives.register(nn.Sin)
@largest_derivatives.register(nn.Cos)
def _(activation: nn.Sin | nn.Cos) -> tuple[float, float]:
    a, b = abs(float(activation.a)), abs(float(activation.b))
    return a * b**2, a * b**3


@largest_derivatives.register
def _(activation: nn.Erf) -> tuple[float, float]:
    a, b = abs(float(activation.a)) * 2 / math.sqrt(math.pi), abs(float(activation.b))
    return a * b**2 * math.sqrt(2 / math.e), a * b**3 * 2


@largest_derivatives.register
def _(activation: nn.Gelu) -> tuple[float, float] | None:
    # phi'' = (2 - x^2) p(x) and phi''' = (x^3 - 4 x) p(x), p the normal density, largest at x^2 = (7 - sqrt(33)) / 2
    return None if activation.approximate else (2 / math.sqrt(2 * math.pi), 0.779)


def derivative(
    activation: nn.Activation, order: int, x: float | np.ndarray, dtype: Any = np.float64
) -> Float[np.ndarray, "..."]:
    """The derivative of an order, computed in a precision, by chunks of one size, so that it is compiled once."""
    flat = np.asarray(x, dtype).ravel()
    chunks = np.pad(flat, (0, -flat.size % _CHUNK or _CHUNK * (not flat.size))).reshape(-1, _CHUNK)
    with jax.enable_x64(True):
        function = _derivative(activation, order)
        values = [np.asarray(function(jax.numpy.asarray(chunk))) for chunk in chunks]
    return np.concatenate(values)[: flat.size].reshape(np.shape(x))


@functools.lru_cache(maxsize=256)
def _derivative(activation: nn.Activation, order: int) -> Callable:
    function: Callable = activation.__call__
    for _ in range(order):
        function = _tangent(function)
    return jax.jit(function)


def _tangent(function: Callable) -> Callable:
    return lambda x: jax.jvp(function, (x,), (jax.numpy.ones_like(x),))[1]


def sampled(activation: nn.Activation, order: int, low: float, high: float) -> float:
    """The largest absolute derivative of an order found on an interval, with a reserve."""
    return _INFLATION * float(np.abs(derivative(activation, order, np.linspace(low, high, _SAMPLES))).max())


def enclosed(activation: nn.Activation, order: int, low: float, high: float) -> Bound:
    """A bound of the absolute derivative of an order on an interval: proved by interval arithmetic, or else from samples."""
    ends = np.linspace(low, high, _BOXES + 1)[:, None]
    try:
        found = enclose(_at_points(activation, order), ends[:-1], ends[1:])
    except (NotImplementedError, ZeroDivisionError, ValueError):  # an operation without a rule, or not defined on a box
        return Bound(sampled(activation, order, low, high), False)
    value = float(np.maximum(np.abs(found.lower), np.abs(found.upper)).max())
    return Bound(value, True) if np.isfinite(value) else Bound(sampled(activation, order, low, high), False)


@functools.lru_cache(maxsize=256)
def _at_points(activation: nn.Activation, order: int) -> Callable:
    function = _derivative(activation, order)
    return lambda points: function(points[:, 0])


def departure(activation: nn.Activation, point: float, reach: float) -> Bound:
    """A bound of `|phi(point + t) - phi(point) - phi'(point) t|` for `|t| <= reach`, by Taylor's formula."""
    known = largest_derivatives(activation)
    if known is not None:
        second, third = (Bound(value, True) for value in known)
    else:
        second, third = (enclosed(activation, order, point - reach, point + reach) for order in (2, 3))
    here = enclosed(activation, 2, point, point)
    by_second, by_third = second.value * reach**2 / 2, here.value * reach**2 / 2 + third.value * reach**3 / 6
    if by_second <= by_third:
        return Bound(by_second, second.proved)
    return Bound(by_third, here.proved and third.proved)


def lipschitz(activation: nn.Activation, low: float, high: float) -> Bound:
    """A bound of the slopes of secants between two points, `low` and `high`."""
    known = slopes(activation)
    return enclosed(activation, 1, low, high) if known is None else Bound(float(known.lipschitz), True)
