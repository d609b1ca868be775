"""The fields of a word of the language: real hyper-parameters, and sizes.

A real hyper-parameter is a leaf of the network's PyTree, so that it can be traced and differentiated; a size, a
function or a string is static. Both are checked when the word is built, with an error that names the field. Leaves that
are abstract (inside `jit` or `grad`) have no value, and only their shape is checked.
"""

import dataclasses
import functools
import math
import operator
import sys
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.validation import is_traced

PADDINGS = ("same", "valid", "circular")
"""What can lie beyond the border of an axis, by name."""

Scalar = float | Float[Array, ""]
"""A real hyper-parameter: a Python float, or an array without axes while it is being traced."""


def real_field(name: str, default: Any = dataclasses.MISSING) -> Any:
    """A leaf that holds any finite real number."""
    return eqx.field(**_default(default), converter=functools.partial(as_real, name))


def non_negative_field(name: str, default: Any = dataclasses.MISSING) -> Any:
    """A leaf that holds a finite number, zero or more."""
    return eqx.field(
        **_default(default), converter=functools.partial(_as_real_where, name, _at_least_zero, "at least 0")
    )


def bias_field(default: Any = 0.0) -> Any:
    """A leaf that holds the scale of a bias, zero or more; `None` where there is no bias."""
    return eqx.field(default=default, converter=_as_bias)


def probability_field(name: str, default: Any = dataclasses.MISSING) -> Any:
    """A leaf that holds a number in [0, 1)."""
    return eqx.field(**_default(default), converter=functools.partial(_as_real_where, name, _below_one, "in [0, 1)"))


def integer_field(name: str, minimum: int, default: Any = dataclasses.MISSING) -> Any:
    """A static field that holds an integer, `minimum` or more."""
    return eqx.field(**_default(default), static=True, converter=functools.partial(as_integer, name, minimum))


def sizes_field(name: str, default: Any = dataclasses.MISSING) -> Any:
    """A static field that holds an integer, at least 1, or a tuple of such integers: one for all axes, or one an axis."""
    return eqx.field(**_default(default), static=True, converter=functools.partial(as_sizes, name))


def choice_field(name: str, choices: tuple[str, ...], default: str) -> Any:
    """A static field that holds one of the strings `choices`."""
    return eqx.field(default=default, static=True, converter=functools.partial(_as_choice, name, choices))


def padding_field(default: str) -> Any:
    """A static field that holds one of `PADDINGS`, or a number of zeros on either side: for all axes, or one an axis."""
    return eqx.field(default=default, static=True, converter=_as_padding)


def flag_field(name: str, default: bool) -> Any:
    """A static field that holds `True` or `False`."""
    return eqx.field(default=default, static=True, converter=functools.partial(as_flag, name))


def axes_field(name: str, default: tuple[int, ...]) -> Any:
    """A static field that holds a tuple of different axes of one example."""
    return eqx.field(default=default, static=True, converter=functools.partial(_as_axes, name))


def static_real_field(name: str, default: float, *, minimum: float = -math.inf) -> Any:
    """A static field that holds a finite real number, `minimum` or more: not a leaf, so it cannot be traced."""
    return eqx.field(default=default, static=True, converter=functools.partial(as_static_real, name, minimum=minimum))


def as_real(name: str, value: Any) -> Any:
    """Return `value` as a Python float, or as it is (floating point) where it is traced.

    **Raises:** `TypeError` unless it is one real number; `ValueError` if it is NaN or infinite.
    """
    if isinstance(value, jax.Array) and is_traced(value):
        if value.shape != ():
            raise TypeError(f"{name} must be one number; received an array of shape {value.shape}")
        return value if jnp.issubdtype(value.dtype, jnp.floating) else value * 1.0
    number = _as_float(value)
    if number is None:
        raise TypeError(f"{name} must be a real number; received {value!r}")
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite; received {number}")
    return number


def as_integer(name: str, minimum: int, value: Any) -> int:
    """Return `value` as a Python integer.

    **Raises:** `TypeError` unless it is an integer; `ValueError` if it is below `minimum`.
    """
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be an integer; received {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer; received {value!r}") from None
    if number < minimum:
        raise ValueError(f"{name} must be an integer, at least {minimum}; received {number}")
    return number


def as_floating(dtype: Any) -> np.dtype:
    """Return `dtype` as that of NumPy.

    **Raises:** `TypeError` unless it is a floating-point type.
    """
    try:
        known = np.dtype(dtype)
    except TypeError:
        known = None
    if known is None or not jnp.issubdtype(known, jnp.floating):
        raise TypeError(f"dtype must be a floating-point type, such as np.float32; received {dtype!r}")
    return known


def as_flag(name: str, value: Any) -> bool:
    """Return `value` as a Python boolean.

    **Raises:** `TypeError` unless it is `True` or `False`.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False; received {value!r}")
    return bool(value)


def as_static_real(name: str, value: Any, *, minimum: float = -math.inf) -> float:
    """Return `value` as a Python float.

    **Raises:** `TypeError` unless it is one real number that is not traced; `ValueError` if it is not finite, or below
    `minimum`.
    """
    if is_traced(value):
        raise TypeError(f"{name} must be a number known before tracing; received a traced array")
    return _as_real_where(name, lambda number: number >= minimum, f"at least {minimum:g}", value)


def as_sizes(name: str, value: Any) -> int | tuple[int, ...]:
    """Return `value` as a Python integer or as a tuple of them, all at least 1.

    **Raises:** `TypeError` unless it is an integer or a sequence of integers; `ValueError` if one is below 1, or none is
    given.
    """
    if not isinstance(value, tuple | list):
        return as_integer(name, 1, value)
    if not value:
        raise ValueError(f"{name} must be an integer, or a tuple of one integer an axis; received {value!r}")
    return tuple(as_integer(f"{name}[{i}]", 1, size) for i, size in enumerate(value))


def _as_choice(name: str, choices: tuple[str, ...], value: Any) -> str:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; received {value!r}")
    return value


def _as_bias(value: Any) -> Any:
    return None if value is None else _as_real_where("b_std", _at_least_zero, "at least 0, or None for no bias", value)


def _as_padding(value: Any) -> str | int | tuple[int, ...]:
    if isinstance(value, str):
        return _as_choice("padding", PADDINGS, value)
    if isinstance(value, tuple | list) and value:
        return tuple(as_integer(f"padding[{i}]", 0, size) for i, size in enumerate(value))
    try:
        return as_integer("padding", 0, value)
    except TypeError:
        known = ", ".join(map(repr, PADDINGS))
        raise ValueError(
            f"padding must be one of {known}, or a number of zeros, such as 1 or (1, 0); received {value!r}"
        ) from None


def _as_axes(name: str, value: Any) -> tuple[int, ...]:
    entries = tuple(value) if isinstance(value, tuple | list) else (value,)
    axes = tuple(as_integer(f"{name}[{i}]", -sys.maxsize, axis) for i, axis in enumerate(entries))
    if not axes or len(set(axes)) < len(axes):
        raise ValueError(f"{name} must be a tuple of different axes of one example, such as (-1,); received {value!r}")
    return axes


def _as_real_where(name: str, holds: Callable[[float], bool], range_: str, value: Any) -> Any:
    value = as_real(name, value)
    if isinstance(value, float) and not holds(value):
        raise ValueError(f"{name} must be {range_}; received {value}")
    return value


def _as_float(value: Any) -> float | None:
    if isinstance(value, bool | np.bool_ | str | bytes):
        return None
    if isinstance(value, jax.Array | np.ndarray) and (value.shape != () or value.dtype.kind == "b"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _at_least_zero(number: float) -> bool:
    return number >= 0


def _below_one(number: float) -> bool:
    return 0 <= number < 1


def _default(default: Any) -> dict[str, Any]:
    return {} if default is dataclasses.MISSING else {"default": default}
