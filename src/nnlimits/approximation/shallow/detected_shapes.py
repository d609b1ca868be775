"""The shape of a function of one's own, seen numerically."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from nnlimits import nn
from nnlimits.approximation.intervals.tracing import hashable, read
from nnlimits.approximation.shallow.activation_shapes import Jump, Kink, PolynomialShape, Shape, Unknown, shape_of

_FAR = 1e3, 1e5, 1e7
"""Where the function's lines are read off."""

_MATCH = 1e-3
"""Relative agreement of slopes read off at different distances."""

_ARITHMETIC = {"add", "sub", "neg", "mul", "integer_pow", "square", "add_any", "div", "convert_element_type", "copy"}
_TRANSPARENT = {"jit", "pjit", "closed_call", "custom_jvp_call"}


@shape_of.register
def _(activation: nn.Elementwise) -> Shape:
    degree = polynomial_degree(activation)
    if degree is not None:
        return PolynomialShape(degree)
    right, left = (_line(activation, side) for side in (1.0, -1.0))
    if right is None or left is None:
        return Unknown()
    (slope_right, level_right), (slope_left, level_left) = right, left
    if abs(slope_right - slope_left) > _MATCH * max(abs(slope_right), abs(slope_left)):
        at = (level_left - level_right) / (slope_right - slope_left)
        kink = Kink(slope_left, slope_right, at, slope_left * at + level_left)
        return Kink(*(getattr(kink, name) for name in ("left", "right", "at", "level")), tail=_tail(activation, kink))
    if slope_right == slope_left == 0 and abs(level_right - level_left) > _MATCH:
        return _jump(activation, level_left, level_right)
    return Unknown()


def polynomial_degree(function: Callable[[Any], Any]) -> int | None:
    """An upper bound of the degree of a function that its jaxpr shows to be a polynomial; None if it does not."""
    closed = read(hashable(function), (1, 1))
    return _degrees(closed.jaxpr, [1])[0]


def _degrees(jaxpr: Any, arguments: list[int | None]) -> list[int | None]:
    degrees: dict[Any, int | None] = dict(zip(jaxpr.invars, arguments, strict=True))
    degrees |= dict.fromkeys(jaxpr.constvars, 0)

    def of(atom: Any) -> int | None:
        return 0 if hasattr(atom, "val") else degrees[atom]

    for equation in jaxpr.eqns:
        operands = [of(atom) for atom in equation.invars]
        name = equation.primitive.name
        if name in _TRANSPARENT:
            body = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
            results = _degrees(getattr(body, "jaxpr", body), operands)
        else:
            results = [_degree(name, operands, equation.params)] * len(equation.outvars)
        degrees |= dict(zip(equation.outvars, results, strict=True))
    return [of(atom) for atom in jaxpr.outvars]


def _degree(name: str, operands: list[int | None], params: Any) -> int | None:
    known = [degree for degree in operands if degree is not None]
    if len(known) < len(operands):
        return None
    if all(degree == 0 for degree in known):
        return 0
    if name not in _ARITHMETIC | {"broadcast_in_dim", "reshape", "squeeze"}:
        return None
    if name == "mul":
        return sum(known)
    if name in ("integer_pow", "square"):
        power = params.get("y", 2)
        return known[0] * power if power >= 0 else None
    if name == "div":
        return known[0] if known[1] == 0 else None
    return max(known)


def _evaluated(function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(function(jax.numpy.asarray(x)), np.float64)


def _line(function: Callable[[Any], Any], side: float) -> tuple[float, float] | None:
    """Slope and level of the line that a function comes close to on one side; None if it does to none."""
    far = side * np.asarray(_FAR)
    with np.errstate(all="ignore"):
        y, twice = _evaluated(function, far), _evaluated(function, 2 * far)
    if not (np.isfinite(y).all() and np.isfinite(twice).all()):
        return None
    slopes = (twice - y) / far
    if np.ptp(slopes[1:]) > _MATCH * (1 + np.abs(slopes[-1])) or np.ptp(y) > 2 * _FAR[-1] * (1 + np.abs(slopes[-1])):
        return None
    # a function that goes on to a limit like 1 / x has a slope of 1e-14 here, one that grows like a logarithm 1e-7
    slope = float(np.round(slopes[-1], 9))
    level = y - slope * far
    return (slope, float(level[-1])) if np.ptp(level[1:]) < _MATCH * (1 + np.abs(level[-1])) else None


def _grid() -> np.ndarray:
    half = np.concatenate([np.linspace(0, 20, 8001), np.geomspace(20, _FAR[-1], 8000)[1:]])
    return np.concatenate([-half[:0:-1], half])


def _tail(function: Callable[[Any], Any], kink: Kink) -> Callable[[Any], Any]:
    """The largest distance from the kinked line seen at each distance or farther, with a margin of a tenth."""
    x = _grid()
    line = kink.level + kink.left * np.minimum(x, 0) + kink.right * np.maximum(x, 0)
    apart = np.abs(_evaluated(function, kink.at + x) - line)
    # beyond a thousand the difference of such numbers is rounding
    apart = np.maximum(apart - 1e-15 * np.abs(line) * 8, 0.0)
    half = len(x) // 2
    both = np.maximum(apart[half:], apart[half::-1])
    envelope = 1.1 * np.maximum.accumulate(both[::-1])[::-1]
    return lambda t: envelope[np.clip(np.searchsorted(x[half:], t, side="right") - 1, 0, None)]


def _jump(function: Callable[[Any], Any], left: float, right: float) -> Shape:
    x = _grid()
    changes = np.abs(np.diff(_evaluated(function, x))) / abs(right - left)
    middles = np.maximum(np.abs(x[1:]), np.abs(x[:-1]))
    return Jump(left, right, 1.05 * float(changes.sum()), 1.05 * float((changes * middles).sum()))
