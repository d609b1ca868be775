import numpy as np
import pytest
import scipy.linalg

from nnlimits.compute.cholesky import cholesky_in_place, inverse_diagonal, inverse_of_lower


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("block", [7, 64, 100, 4096])
def test_blocks_give_the_factor(block: int, dtype: type) -> None:
    """All widths of blocks, dividing the size or not, against LAPACK; both round by the size times the unit."""
    root = np.random.default_rng(0).standard_normal((200, 220))
    matrix = np.asfortranarray(root @ root.T / 200 + np.eye(200), dtype=dtype)
    expected = scipy.linalg.cholesky(matrix, lower=True)
    found = cholesky_in_place(matrix, block)
    assert found is not None
    assert np.shares_memory(found, matrix)
    np.testing.assert_allclose(found, expected, atol=200 * np.finfo(dtype).eps)
    assert not np.triu(found, 1).any()


@pytest.mark.parametrize("place", [0, 30, 99])
def test_indefinite_matrices_have_none(place: int) -> None:
    matrix = np.asfortranarray(np.eye(100))
    matrix[place, place] = -1
    assert cholesky_in_place(matrix, 32) is None


@pytest.mark.parametrize("block", [7, 64, 1024])
def test_diagonal_of_the_inverse(block: int) -> None:
    root = np.random.default_rng(0).standard_normal((200, 220))
    matrix = np.asfortranarray(root @ root.T / 200 + np.eye(200))
    expected = np.diagonal(np.linalg.inv(matrix))
    lower = cholesky_in_place(matrix)
    assert lower is not None
    np.testing.assert_allclose(inverse_diagonal(lower, block), expected, rtol=1e-12)


@pytest.mark.slow
def test_more_rows_than_lapack_survives() -> None:
    """2 + 1/(2n) between all pairs: the factor's first column and its last diagonal entry are known."""
    n = 18_000
    matrix = np.full((n, n), 0.5 / n, order="F")
    matrix.flat[:: n + 1] = 2
    found = cholesky_in_place(matrix)
    assert found is not None
    np.testing.assert_allclose(found[1:, 0], 0.5 / n / np.sqrt(2), rtol=1e-12)
    # the Schur complement of all other rows, with a = 2 - c on the diagonal and c between all: 2 - c^2 1'(aI + c11')^-1 1
    c, m = 0.5 / n, n - 1
    np.testing.assert_allclose(found[-1, -1] ** 2, 2 - c**2 * m / (2 - c + c * m), rtol=1e-12)


def test_inverse_of_a_lower_factor() -> None:
    """By blocks of columns, of more columns than one block."""
    lower = np.tril(np.random.default_rng(1).standard_normal((1100, 1100))) / 40 + 2 * np.eye(1100)
    found = inverse_of_lower(np.asfortranarray(lower))
    np.testing.assert_allclose(found @ lower, np.eye(1100), atol=1e-12)
    assert not np.triu(found, 1).any()
