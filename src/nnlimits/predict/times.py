"""Training times: a number, an array of numbers, or infinity."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Num

from nnlimits.validation import is_traced

Times = Float[np.ndarray, " times"] | Num[Array, " times"]


def check_times(t: ArrayLike) -> tuple[Times, bool]:
    """Times as a vector, and whether `t` was a single one.

    **Raises:** `ValueError` for a negative time, NaN, or an array of more than one axis; `TypeError` if not real
    numbers.
    """
    if is_traced(t):
        times = jnp.asarray(t)
    else:
        times = np.asarray(t)
        if times.dtype.kind not in "iuf":
            raise TypeError(f"t must be a real number or an array of them; received {t!r}")
        times = times.astype(np.float64)
        if not (times >= 0).all():
            raise ValueError(f"t must not be negative or NaN; received {times[~(times >= 0)].flat[0]}")
    if times.ndim > 1 or times.size == 0:
        raise ValueError(f"t must be a number or a vector of at least one; received shape {times.shape}")
    return times.reshape(-1), times.ndim == 0


def check_steps(t: ArrayLike) -> tuple[Times, bool]:
    """Numbers of steps as a vector, and whether `t` was a single one; infinity is allowed.

    **Raises:** as `check_times`, and `ValueError` for a step that is not whole.
    """
    steps, single = check_times(t)
    if not is_traced(steps):
        whole = np.isinf(steps) | (steps == np.round(steps))
        if not whole.all():
            raise ValueError(
                f"t counts steps of gradient descent; received {steps[~whole][0]}, which is not a whole number"
            )
    return steps, single


def along_time(results: Any, single: bool) -> Any:
    """Results with time as their first axis, or without it if one time was asked for."""
    return results[0] if single else results
