"""Cholesky's factorization under JAX transformations, of any size."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

BLOCK = 4096
"""Columns at once, on a processor."""
SAFE_ROWS = 8192
"""Matrices of so many rows go to LAPACK whole. As OpenBLAS has it, with several threads it crashes somewhere above 14,000."""


def traced_cholesky(matrix: Float[Array, "n n"], block: int = BLOCK, safe_rows: int = SAFE_ROWS) -> Float[Array, "n n"]:
    """The lower factor of a symmetric matrix, as `jax.numpy.linalg.cholesky`: zero above the diagonal, with NaN among its entries
    if the matrix is not positive definite, and differentiable.

    On a processor, of more than `safe_rows` rows, diagonal blocks are factorized, and products of matrices do the rest.

    **Arguments:** `matrix`; `block`, how many columns at once; `safe_rows`, up to how many the matrix is one block.
    """
    if len(matrix) <= safe_rows:
        return jnp.linalg.cholesky(matrix)
    return jax.lax.platform_dependent(matrix, cpu=partial(_by_blocks, block), default=jnp.linalg.cholesky)


def _by_blocks(block: int, matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    n = len(matrix)
    matrix = (matrix + matrix.T) / 2  # as JAX's own takes it, which makes the derivative symmetric
    lower = jnp.zeros_like(matrix)
    for start in range(0, n, block):
        end = min(start + block, n)
        left = lower[start:, :start]
        panel = matrix[start:, start:end] - left @ left[: end - start].T
        corner = jnp.linalg.cholesky(panel[: end - start])
        below = solve_triangular(corner, panel[end - start :].T, lower=True).T
        lower = lower.at[start:, start:end].set(jnp.concatenate([corner, below]))
    return lower
