"""Small least-squares problems, one an example."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def positive_solve(matrices: Float[Array, "n m m"], right: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """The solutions of symmetric positive definite systems, by elimination of all columns of all systems side by side.

    No pivots are needed where the matrix is positive definite. LAPACK goes through the systems one by one, which for small ones
    takes an order of magnitude longer on a CPU.
    """
    size = matrices.shape[-1]
    table = jnp.moveaxis(jnp.concatenate([matrices, right[..., None]], -1), 0, -1)

    def eliminated(i: Array, table: Array) -> Array:
        pivot_row = lax.dynamic_index_in_dim(table, i, 0, keepdims=False)
        column = lax.dynamic_index_in_dim(table, i, 1, keepdims=False)
        pivot_row = pivot_row / lax.dynamic_index_in_dim(pivot_row, i, 0, keepdims=True)
        others = table - column[:, None] * pivot_row[None]
        return jnp.where((jnp.arange(size) == i)[:, None, None], pivot_row[None], others)

    return lax.fori_loop(0, size, eliminated, table)[:, -1].T


def coefficients(
    gram: Float[Array, "n m m"], products: Float[Array, "n m"], regularization: float
) -> Float[Array, "n m"]:
    """The c with least `|r - sum_i c_i a_i|^2`, given the products `<a_i, a_j>` and `<a_i, r>`.

    The columns are scaled to length one, so that `regularization`, which is added to the diagonal, is a relative one, and old and
    new columns of very different length weigh alike. Columns that are zero have coefficient zero.
    """
    square = jnp.diagonal(gram, axis1=-2, axis2=-1)
    scale = jnp.where(square > 0, 1 / jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)
    correlations = gram * scale[:, :, None] * scale[:, None, :]
    identity = jnp.eye(gram.shape[-1], dtype=gram.dtype)
    empty = jnp.where(square > 0, 0.0, 1.0)[:, :, None] * identity
    scaled = positive_solve(correlations + empty + regularization * identity, products * scale)
    return scaled * scale
