"""Blocks under JAX transformations, against the factor of the whole."""

import subprocess
import sys
from functools import partial

import jax
import numpy as np
import pytest

from nnlimits.compute.traced_cholesky import traced_cholesky

N = 50
ROOT = np.random.default_rng(0).standard_normal((N, N + 10))
MATRIX = ROOT @ ROOT.T / N + np.eye(N)
by_blocks = partial(traced_cholesky, safe_rows=10)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("block", [16, 49, 64])
def test_blocks_give_the_factor(block: int) -> None:
    """All widths of blocks, dividing the size or not; both round by the size times the unit."""
    found = jax.jit(partial(by_blocks, block=block))(MATRIX)
    np.testing.assert_allclose(found, np.linalg.cholesky(MATRIX), atol=N * np.finfo(float).eps)
    assert not np.triu(found, 1).any()


def test_single_precision() -> None:
    found = jax.jit(partial(by_blocks, block=16))(MATRIX.astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.linalg.cholesky(MATRIX), atol=N * np.finfo(np.float32).eps)


@pytest.mark.usefixtures("x64")
def test_derivatives() -> None:
    """In both modes, against central differences: their errors are the step squared, and rounding errors by the step."""
    change = np.random.default_rng(1).standard_normal((N, N))
    weights = np.random.default_rng(2).standard_normal((N, N))
    change, step = change + change.T, 1e-6

    def derivatives(matrix, change):
        factorize = partial(by_blocks, block=25)
        gradient = jax.grad(lambda m: (weights * factorize(m)).sum())(matrix)
        return gradient, jax.jvp(factorize, (matrix,), (change,))[1]

    gradient, forward = jax.jit(derivatives)(MATRIX, change)
    ahead, behind = (np.linalg.cholesky(MATRIX + sign * step * change) for sign in (1, -1))
    expected = (ahead - behind) / (2 * step)
    np.testing.assert_allclose(forward, expected, atol=1e-7)
    np.testing.assert_allclose((gradient * change).sum(), (weights * expected).sum(), rtol=1e-7)
    np.testing.assert_array_equal(gradient, gradient.T)


@pytest.mark.parametrize("place", [0, 20, 49])
def test_indefinite_matrices_have_no_finite_factor(place: int) -> None:
    matrix = np.eye(N, dtype=np.float32)
    matrix[place, place] = -1
    assert np.isnan(jax.jit(partial(by_blocks, block=16))(matrix)).any()


MANY_ROWS = """
import jax, jax.numpy as jnp, numpy as np
from nnlimits.compute.solve import factorize
n = 16_500
c = 0.5 / n
matrix = c + (2 - c) * jnp.eye(n, dtype=jnp.float32)

@jax.jit
def solved(matrix):
    factor = factorize(matrix, jnp.ones((n, 1), jnp.float32))
    return factor.jitter, factor.lower[1:, 0], factor.lower[-1, -1]

jitter, column, last = solved(matrix)
assert jitter == 0
np.testing.assert_allclose(column, c / np.sqrt(2), rtol=1e-5)
np.testing.assert_allclose(last**2, 2 - c**2 * (n - 1) / (2 - c + c * (n - 1)), rtol=1e-5)
"""


@pytest.mark.slow
def test_more_rows_than_lapack_survives() -> None:
    """2 on the diagonal and 1/(2n) between all pairs, as for the host's factor: a crash would end the process, so it is another.

    Single precision, and 16,500 rows, take 1 GB a matrix.
    """
    done = subprocess.run([sys.executable, "-c", MANY_ROWS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
