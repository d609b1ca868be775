"""Checking what a combinator is built from."""

import inspect
from typing import Any

from nnlimits.nn.elementwise import spell_function
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import DEFAULT_PARAMETERIZATION
from nnlimits.nn.word import Word


def as_member(place: str, value: Any) -> Layer:
    """Return `value` if it can be part of a network; `place` says where it was given, as in `Residual's body`.

    **Raises:** `TypeError` unless it is a layer, saying what would work; `ValueError` if it sets a parameterization,
    which is a property of the whole network.
    """
    if not isinstance(value, Layer):
        raise TypeError(f"{place} must be a layer of nnlimits.nn; received {_describe(value)}")
    parameterization = getattr(value, "parameterization", DEFAULT_PARAMETERIZATION)
    if parameterization != DEFAULT_PARAMETERIZATION:
        raise ValueError(
            f"{place} sets parameterization={parameterization!r}, which belongs to the whole network; "
            "set it on the outermost Sequential only"
        )
    return value


def _describe(value: Any) -> str:
    if inspect.isclass(value):
        return f"the class {value.__name__}" + (
            f"; make a layer of it: nn.{value.__name__}()" if issubclass(value, Layer) else ""
        )
    if isinstance(value, Word):
        return f"{value!r}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__}; unpack it: nn.Sequential(*layers)"
    if callable(value):
        name = spell_function(value)
        return f"the function {name}; wrap it: nn.Elementwise({name})"
    return f"{value!r}"
