"""The words of targets that are written as text: constants, functions and operations."""

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def truth(value: Any) -> Any:
    """A condition, from what is one or from numbers, of which zero is false."""
    value = jnp.asarray(value)
    return value if value.dtype == bool else value != 0


CONSTANTS = {"pi": math.pi, "e": math.e}
"""Numbers with names."""

_ONE = [
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "cbrt",
    "square",
    "abs",
    "sign",
    "floor",
    "ceil",
    "round",
    "sinc",
]

FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    **{name: (getattr(jnp, name), 1) for name in _ONE},
    **{f"a{name}": (getattr(jnp, f"arc{name}"), 1) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "erf": (jax.scipy.special.erf, 1),
    "sigmoid": (jax.nn.sigmoid, 1),
    "softplus": (jax.nn.softplus, 1),
    "relu": (lambda x: jnp.maximum(x, 0.0), 1),
    "step": (lambda x: jnp.where(x > 0, 1.0, 0.0), 1),
    "minimum": (jnp.minimum, 2),
    "min": (jnp.minimum, 2),
    "maximum": (jnp.maximum, 2),
    "max": (jnp.maximum, 2),
    "hypot": (jnp.hypot, 2),
    "arctan2": (jnp.arctan2, 2),
    "where": (lambda condition, x, y: jnp.where(truth(condition), x, y), 3),
    "clip": (jnp.clip, 3),
}
"""Functions with the number of their arguments."""

BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
"""Operations on two numbers, by their syntax."""

COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
"""Comparisons, by their syntax."""
