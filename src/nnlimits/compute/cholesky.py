"""Cholesky's factorization on the host, of any size, and what follows from it."""

from collections.abc import Iterator

import numpy as np
import scipy.linalg
from jaxtyping import Float

_BLOCK = 4096
"""Columns at once. LAPACK's own routine, as OpenBLAS has it, crashes with several threads somewhere above 14,000 rows."""


def cholesky_in_place(matrix: Float[np.ndarray, "n n"], block: int = _BLOCK) -> Float[np.ndarray, "n n"] | None:
    """The lower factor of a symmetric matrix, in the matrix's own memory; None if it is not positive definite.

    It is zero above the diagonal. LAPACK factorizes diagonal blocks; products of matrices do the rest.

    **Arguments:** `matrix`, in Fortran's order, float32 or float64: its lower triangle counts, and it is overwritten; `block`,
    how many columns at once.
    """
    factorize = scipy.linalg.get_lapack_funcs("potrf", (matrix,))
    solve = scipy.linalg.get_blas_funcs("trsm", (matrix,))
    n = len(matrix)
    for start in range(0, n, block):
        end = min(start + block, n)
        corner, failed = factorize(matrix[start:end, start:end], lower=1, clean=1)
        if failed:
            return None
        matrix[start:end, start:end] = corner
        matrix[:start, start:end] = 0
        if end == n:
            break
        below = solve(
            1.0, corner, np.asfortranarray(matrix[end:, start:end]), side=1, lower=1, trans_a=1, overwrite_b=1
        )
        matrix[end:, start:end] = below
        for first in range(end, n, block):
            last = min(first + block, n)
            matrix[first:, first:last] -= below[first - end :] @ below[first - end : last - end].T
    return matrix


def inverse_of_lower(lower: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """The inverse of a lower factor, in Fortran's order, by blocks of columns.

    **Arguments:** `lower`, zero above the diagonal, float32 or float64.
    """
    inverse = np.zeros(lower.shape, lower.dtype, order="F")
    for start, columns in _columns_of_inverse(lower, 1024):
        inverse[start:, start : start + columns.shape[1]] = columns
    return inverse


def inverse_diagonal(lower: Float[np.ndarray, "n n"], block: int = 1024) -> Float[np.ndarray, " n"]:
    """The diagonal of the inverse of the matrix with this lower factor, in memory of `n` by `block` numbers.

    **Arguments:** `lower`, zero above the diagonal, float32 or float64; `block`, how many columns of its inverse at once.
    """
    diagonal = np.zeros(len(lower), lower.dtype)
    for start, columns in _columns_of_inverse(lower, block):
        diagonal[start : start + columns.shape[1]] = np.einsum("ij,ij->j", columns, columns)
    return diagonal


def _columns_of_inverse(lower: Float[np.ndarray, "n n"], block: int) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks of columns of the inverse of a lower factor from their first row that is not zero, and where it is."""
    solve = scipy.linalg.get_blas_funcs("trsm", (lower,))
    n = len(lower)
    for start in range(0, n, block):
        width = min(block, n - start)
        columns = np.zeros((n - start, width), lower.dtype, order="F")
        columns[:width] = np.eye(width)
        yield start, solve(1.0, np.asfortranarray(lower[start:, start:]), columns, lower=1, overwrite_b=1)
