"""How results print: numbers as they are, and arrays that have an entry for each example by their shape."""

from typing import Any

import numpy as np

_LISTED = 8
"""Entries of an array that is printed."""


def summary(result: Any) -> str:
    """A `NamedTuple` in a line or so."""
    fields = ", ".join(f"{name}={_brief(value)}" for name, value in zip(result._fields, result, strict=True))
    return f"{type(result).__name__}({fields})"


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > _LISTED:
        return f"<array of shape {value.shape}>"
    return repr(value)
