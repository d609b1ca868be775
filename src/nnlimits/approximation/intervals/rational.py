"""Operations of JAX in exact arithmetic, on fractions."""

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

_KNOWN = {
    "exp": (0, 1), "exp2": (0, 1), "cos": (0, 1), "cosh": (0, 1), "erfc": (0, 1), "logistic": (0, Fraction(1, 2)), "log": (1, 0),
    **dict.fromkeys(("expm1", "tanh", "erf", "sinh", "asinh", "atan", "cbrt", "log1p", "atanh", "asin", "sin", "tan"), (0, 0)),
}  # fmt: skip
"""An argument at which the value is a fraction, and the value."""

_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": operator.add, "add_any": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg,
    "div": operator.truediv, "abs": abs, "max": max, "min": min, "square": lambda x: x * x,
    "clamp": lambda low, x, high: min(max(x, low), high), "sign": lambda x: Fraction((x > 0) - (x < 0)),
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
    "stop_gradient": lambda x: x, "copy": lambda x: x,
}  # fmt: skip

_MOVES = "broadcast_in_dim", "reshape", "squeeze"
"""Of one number, or that change nothing."""


def fractions(values: Any) -> np.ndarray | None:
    """Numbers as fractions; truth values stay what they are; None for what is infinite or no number."""
    values = np.asarray(values)
    if values.dtype == bool:
        return values.astype(object)
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        return None
    return _each(Fraction, values.astype(object) if values.dtype.kind in "iu" else values.astype(np.float64))


def apply(equation: Any, *operands: np.ndarray) -> np.ndarray | None:
    """The exact result of an operation on each entry; None where it is no fraction, or the operation is another."""
    name, params = equation.primitive.name, equation.params
    shape = equation.outvars[0].aval.shape
    try:
        if name in _MOVES and all(operand.size == 1 or operand.shape == shape for operand in operands):
            if operands[0].size > 1 and name == "reshape" and params["dimensions"] is not None:
                return None
            return np.broadcast_to(operands[0].ravel() if operands[0].size == 1 else operands[0], shape)
        if name == "select_n":
            return np.where(operands[0].astype(bool), *reversed(operands[1:])) if len(operands) == 3 else None
        if name == "convert_element_type":
            return operands[0] if np.dtype(params["new_dtype"]) == np.float64 else None
        if name == "integer_pow":
            return _each(lambda x: x ** params["y"], *operands)
        if name == "sqrt":
            return _each(_root, *operands)
        if name in _KNOWN:
            argument, value = _KNOWN[name]
            return np.full(shape, Fraction(value), object) if (operands[0] == argument).all() else None
        return _each(_OPERATIONS[name], *operands) if name in _OPERATIONS else None
    except (ArithmeticError, ValueError):
        return None


def _each(function: Callable[..., Any], *operands: np.ndarray) -> np.ndarray:
    aligned = np.broadcast_arrays(*operands)
    found = np.empty(aligned[0].shape, object)
    for index in np.ndindex(found.shape):
        found[index] = function(*(operand[index] for operand in aligned))
    return found


def _root(x: Fraction) -> Fraction:
    parts = math.isqrt(x.numerator), math.isqrt(x.denominator)
    if Fraction(parts[0] ** 2, parts[1] ** 2) != x:
        raise ValueError(f"the root of {x} is no fraction")
    return Fraction(*parts)
