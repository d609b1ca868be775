"""The precision in which covariances are evaluated and solved with.

Where all values are known, that is float64 on the host, whatever the precision of the data: near-duplicate rows need
the digits, and LAPACK is as quick as XLA. The results return to the precision of the data. Under a JAX transformation
everything stays in the data's own precision, which JAX reduces to float32 unless `jax_enable_x64` is set.

Known arrays are therefore kept as NumPy arrays: beside other known values they keep their digits, and beside traced
ones JAX takes them as constants.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.validation import is_traced

Real = Float[Array | np.ndarray, "..."]

BLOCK = 2**25
"""Entries of the largest cross-covariance held at once when predicting: 256 MiB in float64."""


def evaluate(covariance: Callable[..., Any], *inputs: Real) -> Any:
    """`covariance(*inputs)`, a method of a kernel, in working precision: in NumPy float64 if all values are known."""
    if is_traced(covariance, inputs):
        return covariance(*(jnp.asarray(x, jax.dtypes.canonicalize_dtype(x.dtype)) for x in inputs))
    with jax.ensure_compile_time_eval():  # known values are computed with now, also within a user's jit
        outputs = covariance(*(np.asarray(x, np.float64) for x in inputs))
        return jax.tree.map(lambda output: np.asarray(output, np.float64), outputs)


def restored(array: Any, dtype: Any) -> Float[Array, "..."]:
    """A result as a JAX array in the precision of the data."""
    if is_traced(array):
        return array.astype(jax.dtypes.canonicalize_dtype(dtype))
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        return jnp.asarray(array, dtype)


def known(array: Any) -> Any:
    """The array as a NumPy array if its values are known, and as it is otherwise."""
    return array if is_traced(array) else np.asarray(array)


def as_scalar(name: str, value: Any) -> Any:
    """A number as a Python float if its value is known, and as it is otherwise; `TypeError` if it is no real number."""
    if np.ndim(value) != 0:
        raise TypeError(f"{name} must be one number; received shape {np.shape(value)}")
    if is_traced(value):
        return value
    if np.asarray(value).dtype.kind not in "iuf":
        raise TypeError(f"{name} must be a real number; received {value!r}")
    return float(np.asarray(value))


def row_blocks(x: Real, n: int) -> Iterator[Real]:
    """Consecutive rows of `x`, so many that their covariance with `n` training inputs stays within `BLOCK` entries."""
    rows = max(1, BLOCK // n)
    for start in range(0, len(x), rows):
        yield x[start : start + rows]


def joined(blocks: list[Any]) -> Any:
    """Blocks of rows as one array, in the kind of array that they are."""
    if len(blocks) == 1:
        return blocks[0]
    return (jnp if is_traced(blocks) else np).concatenate(blocks)


def double_precision_for(dtype: Any) -> Any:
    """A context in which JAX computes arrays of `dtype`, whatever its configuration."""
    return jax.enable_x64(dtype == np.float64 or jnp.result_type(float) == np.float64)


def hash_of_structure(value: Any) -> int:
    """A hash of what a value that holds arrays is made of, so that its methods can be given to `jax.jit`."""
    leaves, structure = jax.tree.flatten(value)
    return hash((structure, *(np.shape(leaf) for leaf in leaves)))
