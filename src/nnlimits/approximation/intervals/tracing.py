"""Functions read as jaxprs, in double precision."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np


@functools.lru_cache(maxsize=64)
def read(function: Callable[[Any], Any], shape: tuple[int, int]) -> Any:
    """The jaxpr of a function of points of a shape, in double precision.

    **Raises:** `TypeError` for a function that is not one of JAX.
    """
    return traced(function, function, shape)


def traced(program: Callable[[Any], Any], function: Callable[[Any], Any], shape: tuple[int, int]) -> Any:
    """The jaxpr of a program of points of a shape that is made from a function."""
    with jax.enable_x64(True):
        try:
            return jax.make_jaxpr(program)(jax.ShapeDtypeStruct(shape, np.float64))
        except (jax.errors.JAXTypeError, jax.errors.TracerArrayConversionError) as error:
            name = getattr(function, "__qualname__", type(function).__name__)
            raise TypeError(
                f"{name} is no function of JAX, so it cannot be evaluated on intervals: write it with jax.numpy instead of "
                "NumPy, or give its Lipschitz constant"
            ) from error


def hashable(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function, or one that calls it: a word of the language that holds arrays has no hash."""
    if not callable(function):
        raise TypeError(f"function must be a function of JAX; received {type(function).__name__}")
    try:
        hash(function)
    except TypeError:
        return lambda x: function(x)
    return function
