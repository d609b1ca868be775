"""The temperature of the noise: one for all times, or one that is lowered in time, for annealing."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.validation import check_non_negative

Temperature = float | Callable[[Any], Any]
"""A number of at least 0, or a function of time, which JAX can trace."""
Schedule = Callable[[Any], Any]

_LOOKS = 65
"""Times at which a function is looked at before it is used."""


class _Constant(eqx.Module):
    value: Float[Array, ""]
    """An array, so that another temperature is not compiled again."""

    def __call__(self, _: Any) -> Float[Array, ""]:
        return self.value


def as_schedule(temperature: Any, end: float, dtype: Any) -> tuple[Schedule, float]:
    """The temperature as a function of time, and its largest value up to the time `end`.

    **Raises:** `ValueError` for a temperature that is negative or not finite at a time from 0 to `end`.
    """
    if not callable(temperature):
        check_non_negative("temperature", temperature)
        return _Constant(jnp.asarray(temperature, dtype)), float(temperature)
    times = np.linspace(0.0, end, _LOOKS)
    values = [float(np.asarray(temperature(time))) for time in times]
    for time, value in zip(times, values, strict=True):
        if not (np.isfinite(value) and value >= 0):
            raise ValueError(f"temperature must be finite and at least 0 at all times; at time {time:g} it is {value}")
    return temperature, max(values)
