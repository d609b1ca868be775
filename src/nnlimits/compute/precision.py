"""Compute in the precision of the inputs, whatever JAX's global configuration says."""

import contextlib
from typing import Any

import jax
import numpy as np

from nnlimits.validation import is_traced


def precision_of(*arrays: Any) -> contextlib.AbstractContextManager:
    """A context in which float64 is available if any of `arrays` is float64; does nothing under a JAX transformation."""
    if is_traced(*arrays) or jax.dtypes.canonicalize_dtype(float) == np.float64:
        return contextlib.nullcontext()
    if any(getattr(a, "dtype", None) == np.float64 for a in arrays):
        return jax.enable_x64(True)
    return contextlib.nullcontext()


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An uninitialised array that JAX on a CPU can adopt without a copy."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    buffer = np.empty(size + 64, np.uint8)
    offset = -buffer.ctypes.data % 64
    return buffer[offset : offset + size].view(dtype).reshape(shape)


def adopt(array: np.ndarray) -> jax.Array:
    """A JAX array on the default device; on a CPU it shares the memory of `array`, which must not be written afterwards."""
    if jax.default_backend() == "cpu" and array.size:
        return jax.dlpack.from_dlpack(array)
    return jax.device_put(array)
