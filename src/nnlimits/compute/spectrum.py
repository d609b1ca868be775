"""Functions of a symmetric matrix, through its eigendecomposition.

Their derivatives are finite where eigenvalues coincide.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from nnlimits.validation import is_traced

Gain = Callable[..., Float[Array, "*shape"]]
"""`gain(eigenvalues, *parameters)`: a smooth scalar function, applied elementwise."""


def eigendecomposition(
    matrix: Float[Array | np.ndarray, "n n"],
) -> tuple[Any, Any]:
    """Eigenvalues, ascending, and eigenvectors (columns) of a symmetric matrix; in float64 where values are known."""
    if is_traced(matrix):
        return jnp.linalg.eigh(matrix)
    return scipy.linalg.eigh(np.asarray(matrix, np.float64), driver="evd", check_finite=False)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def apply_gain(
    gain: Gain, matrix: Float[Array, "n n"], b: Float[Array, "n k"], parameters: tuple[Any, ...]
) -> Float[Array, "n k"]:
    """`gain(matrix) b`, under JAX transformations.

    The derivative is that of the function of a matrix, by divided differences (Daleckii & Krein 1965; Higham 2008,
    theorem 3.11), not that of its eigenvectors, which is infinite where eigenvalues coincide.

    **Arguments:** `gain`, a function that can be hashed, of the eigenvalues and of `parameters` (a tuple of scalars).
    """
    values, vectors = jnp.linalg.eigh(matrix)
    return vectors @ (gain(values, *parameters)[:, None] * (vectors.T @ b))


@apply_gain.defjvp
def _apply_gain_jvp(gain: Gain, primals: Any, tangents: Any) -> Any:
    matrix, b, parameters = primals
    d_matrix, d_b, d_parameters = tangents
    values, vectors = jnp.linalg.eigh(matrix)
    gains, d_gains = jax.jvp(lambda *p: gain(values, *p), parameters, d_parameters)
    rotated = vectors.T @ b
    coupling = _divided_differences(gain, values, gains, parameters) * (vectors.T @ d_matrix @ vectors)
    change = coupling @ rotated + d_gains[:, None] * rotated + gains[:, None] * (vectors.T @ d_b)
    return vectors @ (gains[:, None] * rotated), vectors @ change


def _divided_differences(
    gain: Gain, values: Float[Array, " n"], gains: Float[Array, " n"], parameters: tuple[Any, ...]
) -> Float[Array, "n n"]:
    """`(gain_i - gain_j) / (value_i - value_j)`, and the slope at the middle where the two values are close."""
    gap = values[:, None] - values[None]
    middle = (values[:, None] + values[None]) / 2
    _, slope = jax.jvp(lambda v: gain(v, *parameters), (middle,), (jnp.ones_like(middle),))
    tolerance = jnp.finfo(values.dtype).eps ** (
        1 / 3
    )  # the slope errs by the square of the gap, the quotient by eps / gap
    quotient = gains[:, None] - gains[None]
    magnitude = tolerance * jnp.maximum(abs(gains[:, None]), abs(gains[None]))
    close = (abs(gap) <= tolerance * abs(values[-1])) & (abs(quotient) <= magnitude) & (abs(gap * slope) <= magnitude)
    return jnp.where(close, slope, quotient / jnp.where(close, 1.0, gap))
