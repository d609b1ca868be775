"""Refusing bad input with an error that names the argument, what was received and what would work.

Values are only looked at where there are values: under a JAX transformation an array is abstract, so shapes and dtypes
are checked and finiteness is not.
"""

from typing import Any

import jax
import numpy as np


def is_traced(*values: Any) -> bool:
    """Whether any leaf of `values` is abstract (inside `jit`, `grad`, `vmap`)."""
    return any(isinstance(leaf, jax.Array) and not _is_concrete(leaf) for leaf in jax.tree.leaves(values))


def _is_concrete(array: jax.Array) -> bool:
    try:
        array.devices()
    except jax.errors.ConcretizationTypeError:
        return False
    return True


def check_finite(name: str, array: Any) -> None:
    """Raise `ValueError` naming the first NaN or infinite entry of `array`, if there is one."""
    if is_traced(array):
        return
    array = np.asarray(array)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum()):  # proof enough, and quicker
            return
    finite = np.isfinite(array)
    if not finite.all():
        place = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), finite.shape))
        value = array[place]
        where = f"at index {place}" if len(place) != 1 else f"at index {place[0]}"
        raise ValueError(f"{name} contains {value} {where} ({(~finite).sum()} such entries); remove or impute them")


def check_inputs(name: str, x: Any, *, rank: int = 2) -> Any:
    """Return `x` as a floating-point array of `rank` axes (batch first), or raise.

    NumPy float32 and float64 keep their dtype whatever JAX's configuration; integers become float32.

    **Raises:** `TypeError` for non-numeric data; `ValueError` for a wrong rank, no rows, or non-finite entries.
    """
    if not isinstance(x, jax.Array):
        x = np.asarray(x)
        if x.dtype == object or x.dtype.kind in "USMmOc":
            raise TypeError(f"{name} must be a real numeric array; received dtype {x.dtype}")
        if x.dtype.kind in "iub":
            x = x.astype(np.float32)
    if x.ndim != rank:
        raise ValueError(
            f"{name} must have {rank} axes with the examples along the first; received shape {tuple(x.shape)}"
            + (f"; for one example write {name}[None]" if x.ndim == rank - 1 else "")
        )
    if x.shape[0] == 0:
        raise ValueError(f"{name} is empty: shape {tuple(x.shape)}; at least one example is needed")
    if 0 in x.shape:
        raise ValueError(f"{name} has an axis of length zero: shape {tuple(x.shape)}")
    check_finite(name, x)
    return x


def check_same_dtype(**arrays: Any) -> None:
    """Raise `TypeError` unless all named arrays share one dtype."""
    dtypes = {name: np.dtype(a.dtype) for name, a in arrays.items() if a is not None}
    if len(set(dtypes.values())) > 1:
        listed = ", ".join(f"{name} is {dtype}" for name, dtype in dtypes.items())
        raise TypeError(f"mixed dtypes: {listed}; convert them to one, e.g. with .astype({max(dtypes.values())})")


def check_instance(name: str, value: Any, kind: type) -> None:
    """Raise `TypeError` unless `value` is of a class."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise TypeError(f"{name} must be {article} {kind.__name__}; received {type(value).__name__}")


def check_non_negative(name: str, value: Any) -> None:
    """Raise `ValueError` if a number is negative, NaN or infinite, `TypeError` for what is no number."""
    if is_traced(value):
        return
    if not (_is_finite(name, value, "non-negative") and value >= 0):
        raise ValueError(f"{name} must be finite and non-negative; received {value}")


def check_positive(name: str, value: Any) -> None:
    """Raise `ValueError` unless a number is finite and positive, `TypeError` for what is no number."""
    if is_traced(value):
        return
    if not (_is_finite(name, value, "positive") and value > 0):
        raise ValueError(f"{name} must be finite and positive; received {value}")


def _is_finite(name: str, value: Any, kind: str) -> bool:
    try:
        if not np.iscomplexobj(value):
            return bool(np.isfinite(value))
    except (TypeError, ValueError):  # no number, and more than one
        pass
    raise TypeError(f"{name} must be a {kind} number; received {value!r}")
