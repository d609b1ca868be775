"""Elementary functions of one variable that increase, decrease, or fall and rise again.

NumPy's and SciPy's functions are not correctly rounded. Their errors are known: below 4 units in the last place for NumPy's
(the bound of its own tests, for vectorised and scalar versions alike), below 4 for `erf` and 260 for `erfc` (Cephes' tables).
Each is widened by twice as much or more; the tests compare them with mpmath.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from nnlimits.approximation.intervals.interval import Interval, known, up, widened
from nnlimits.approximation.intervals.registry import register
from nnlimits.approximation.intervals.undefined import refuse

_UNITS = 8.0
_ERFC_UNITS = 1024.0


def _increasing(
    name: str,
    function: Callable[[Any], Any],
    lowest: float = -np.inf,
    highest: float = np.inf,
    units: float = _UNITS,
    domain: tuple[float, float] = (-np.inf, np.inf),
) -> None:
    """Register an increasing function with values between `lowest` and `highest`."""

    def rule(_: Any, a: Interval) -> Interval:
        outside = _check_domain(name, a, domain)
        with np.errstate(all="ignore"):
            lower = widened(function(a.lower), units)
            upper = lower if a.exact else widened(function(a.upper), units)
        result = Interval(np.clip(lower.lower, lowest, highest), np.clip(upper.upper, lowest, highest))
        return _anything(outside, result)

    register(name)(rule)


def logistic(x: Any) -> Any:
    """`1 / (1 + exp(-x))`, by an exponential that does not overflow."""
    tail = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, tail) / (1 + tail)


_increasing("exp", np.exp, 0.0)
_increasing("exp2", np.exp2, 0.0)
_increasing("expm1", np.expm1, -1.0)
_increasing("tanh", np.tanh, -1.0, 1.0)
_increasing("logistic", logistic, 0.0, 1.0, units=2 * _UNITS)
_increasing("erf", special.erf, -1.0, 1.0)
_increasing("sinh", np.sinh)
_increasing("asinh", np.arcsinh)
_increasing("atan", np.arctan, -up(np.pi / 2), up(np.pi / 2))
_increasing("cbrt", np.cbrt)
_increasing("acosh", np.arccosh, 0.0, domain=(1.0, np.inf))
_increasing("log", np.log, domain=(0.0, np.inf))
_increasing("log1p", np.log1p, domain=(-1.0, np.inf))
_increasing("atanh", np.arctanh, domain=(-1.0, 1.0))
_increasing("asin", np.arcsin, -up(np.pi / 2), up(np.pi / 2), domain=(-1.0, 1.0))


@register("sqrt")
def sqrt(_: Any, a: Interval) -> Interval:
    """The square root, correctly rounded by IEEE 754."""
    outside = _check_domain("sqrt", a, (0.0, np.inf))
    with np.errstate(invalid="ignore"):
        lower, upper = np.sqrt(a.lower), np.sqrt(a.upper)
    result = Interval(np.maximum(np.nextafter(lower, -np.inf), 0.0), np.where(upper == 0, 0.0, up(upper)))
    return _anything(outside, result)


@register("rsqrt")
def rsqrt(_: Any, a: Interval) -> Interval:
    """One over the square root."""
    outside = _check_domain("rsqrt", a, (0.0, np.inf))
    with np.errstate(divide="ignore", invalid="ignore"):
        lower, upper = widened(1 / np.sqrt(a.upper), 2.0), widened(1 / np.sqrt(a.lower), 2.0)
    return _anything(outside, Interval(np.maximum(lower.lower, 0.0), upper.upper))


@register("erfc")
def erfc(_: Any, a: Interval) -> Interval:
    """One minus the error function, decreasing."""
    lower, upper = widened(special.erfc(a.upper), _ERFC_UNITS), widened(special.erfc(a.lower), _ERFC_UNITS)
    return Interval(np.clip(lower.lower, 0.0, 2.0), np.clip(upper.upper, 0.0, 2.0))


@register("acos")
def acos(_: Any, a: Interval) -> Interval:
    """The inverse cosine, decreasing."""
    outside = _check_domain("acos", a, (-1.0, 1.0))
    with np.errstate(invalid="ignore"):
        lower, upper = widened(np.arccos(a.upper), _UNITS), widened(np.arccos(a.lower), _UNITS)
    return _anything(outside, Interval(np.maximum(lower.lower, 0.0), upper.upper))


@register("cosh")
def cosh(_: Any, a: Interval) -> Interval:
    """The hyperbolic cosine: increasing in the absolute value."""
    with np.errstate(over="ignore"):
        lower, upper = widened(np.cosh(a.mignitude), _UNITS), widened(np.cosh(a.magnitude), _UNITS)
    return Interval(np.maximum(lower.lower, 1.0), upper.upper)


def _exact_steps(function: Callable[[Any], Any]) -> Callable[..., Interval]:
    def rule(_: Any, a: Interval) -> Interval:
        return known(function(a.lower)) if a.exact else Interval(function(a.lower), function(a.upper))

    return rule


register("floor")(_exact_steps(np.floor))
register("ceil")(_exact_steps(np.ceil))
register("sign")(_exact_steps(np.sign))


@register("round")
def nearest(equation: Any, a: Interval) -> Interval:
    """The nearest integer, ties as the primitive says."""
    if int(equation.params["rounding_method"]) == 1:
        return _exact_steps(np.round)(equation, a)
    return _exact_steps(_half_away_from_zero)(equation, a)


def _half_away_from_zero(x: Any) -> Any:
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) == 0.5, whole + np.sign(x), np.round(x))


def _anything(where: Any, otherwise: Interval) -> Interval:
    if not where.any():
        return otherwise
    return Interval(np.where(where, -np.inf, otherwise.lower), np.where(where, np.inf, otherwise.upper))


def _check_domain(name: str, a: Interval, domain: tuple[float, float]) -> Any:
    """Where the argument may be outside; an error, unless what is undefined is unbounded."""
    low, high = domain
    outside = (a.lower < low) | (a.upper > high)
    if outside.any():
        place = tuple(int(i) for i in np.argwhere(outside)[0])
        refuse(
            ValueError(
                f"{name} is defined from {low:g} to {high:g}; its argument at index {place} may be any number from "
                f"{a.lower[place]:g} to {a.upper[place]:g}. Take smaller boxes, or a function that stays inside"
            )
        )
    return outside
