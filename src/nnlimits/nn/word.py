"""What every word of the language has in common: it is an immutable value that prints as the code that rebuilds it."""

import dataclasses
import math
from typing import Any

import equinox as eqx
import jax
import numpy as np

from nnlimits.validation import is_traced


class Word(eqx.Module):
    """A value of the language. Its real hyper-parameters are leaves of a PyTree, everything else is static.

    Words compare equal, and hash alike, when they are spelled alike; `repr` gives that spelling, with the prefix `nn.`.
    """

    def __repr__(self) -> str:
        prefix = "nn." if type(self).__module__.startswith("nnlimits.nn.") else ""
        return f"{prefix}{type(self).__name__}({', '.join(self._spelled_arguments())})"

    def __deepcopy__(self, memo: dict[int, Any]) -> "Word":
        return self  # immutable, and the functions inside need not be copyable

    def _spelled_arguments(self) -> list[str]:
        """The arguments that rebuild the word: required ones by position, others by keyword where they differ."""
        spelled = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.default is dataclasses.MISSING:
                spelled.append(spell(value))
            elif not _is_default(value, field.default):
                spelled.append(f"{field.name}={spell(value)}")
        return spelled


def spell(value: Any) -> str:
    """The code of one argument; what has no value yet (inside `jit` or `grad`) reads `<traced>`."""
    if is_traced(value) and isinstance(value, jax.Array):
        return "<traced>"
    if isinstance(value, jax.Array | np.ndarray) and value.shape == ():
        return spell(value.item())
    if isinstance(value, float) and math.isinf(value):
        return "math.inf" if value > 0 else "-math.inf"
    if isinstance(value, tuple):
        return f"({', '.join(map(spell, value))}{',' if len(value) == 1 else ''})"
    return repr(value)


def _is_default(value: Any, default: Any) -> bool:
    return type(value) is type(default) and not is_traced(value) and bool(value == default)
