import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits.compute.solve import add_to_diagonal, factorize, largest_eigenvalue


def covariance(n, smallest, seed=0):
    """A random covariance matrix whose eigenvalues fall from 1 to `smallest`."""
    rng = np.random.default_rng(seed)
    vectors = np.linalg.qr(rng.normal(size=(n, n)))[0]
    matrix = vectors * np.geomspace(1, smallest, n) @ vectors.T
    return (matrix + matrix.T) / 2, rng.normal(size=(n, 2))


def test_solves_without_jitter():
    matrix, b = covariance(30, 1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        factor = factorize(matrix, b)
    assert factor.jitter == 0
    np.testing.assert_allclose(matrix @ factor.solve(b), b, atol=1e-9)
    np.testing.assert_allclose(factor.lower @ factor.whiten(b), b, atol=1e-12)
    np.testing.assert_allclose(factor.log_determinant(), np.linalg.slogdet(matrix)[1])
    np.testing.assert_allclose(factor.inverse_diagonal(), np.linalg.inv(matrix).diagonal(), rtol=1e-9)


@pytest.mark.parametrize("smallest", [1e-17, 1e-30])
def test_least_jitter_that_works(smallest):
    matrix, b = covariance(30, smallest)
    with pytest.warns(UserWarning, match=r"the Gram matrix is too ill-conditioned.*larger noise="):
        factor = factorize(matrix, b)
    assert 0 < factor.jitter < 1e-9
    np.testing.assert_allclose(add_to_diagonal(matrix, factor.jitter) @ factor.solve(b), b, atol=1e-4)


def test_indefinite_by_rounding_only():
    matrix, b = covariance(30, 1e-3)
    with pytest.warns(UserWarning, match="jitter"):
        factor = factorize(matrix - 1.02e-3 * np.eye(30), b)
    assert 2e-5 < factor.jitter < 1e-3 * matrix.diagonal().mean()
    with pytest.raises(np.linalg.LinAlgError, match=r"cannot be solved.*ridge="):
        factorize(matrix - 0.5 * np.eye(30), b, remedy="ridge")
    matrix[3, 4] = np.nan
    with pytest.raises(np.linalg.LinAlgError, match=r"not finite: entry \(3, 4\) is nan"):
        factorize(matrix, b)


@pytest.mark.usefixtures("x64")
def test_the_same_under_jit():
    for smallest in (1e-6, 1e-17):
        matrix, b = covariance(30, smallest)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            host = factorize(matrix, b)
        traced = jax.jit(factorize)(matrix, b)
        np.testing.assert_allclose(traced.jitter, host.jitter, rtol=1e-12)
        solved = jax.jit(lambda m, b: factorize(m, b).solve(b))(matrix, b)
        np.testing.assert_allclose(solved, host.solve(b), rtol=1e-3, atol=1e-6 * abs(host.solve(b)).max())


def test_float32_under_jit_is_finite():
    matrix, b = covariance(100, 1e-12)
    factor = jax.jit(factorize)(matrix.astype(np.float32), b.astype(np.float32))
    assert np.isfinite(factor.lower).all()
    assert 0 < factor.jitter < 1e-3


@pytest.mark.usefixtures("x64")
def test_derivatives():
    matrix, b = covariance(8, 1e-2)
    change = covariance(8, 0.1, seed=1)[0]

    def value(s):
        factor = factorize(matrix + s * change, b)
        return (factor.solve(b) ** 2).sum() + factor.log_determinant() + jnp.sin(factor.lower).sum()

    numerical = (value(1e-6) - value(-1e-6)) / 2e-6
    np.testing.assert_allclose(jax.jit(jax.grad(value))(0.0), numerical, rtol=1e-6)
    forward = jax.jit(jax.jacfwd(value))(0.0)
    np.testing.assert_allclose(forward, numerical, rtol=1e-6)


@pytest.mark.parametrize("n", [5, 200])
def test_largest_eigenvalue(n):
    matrix, _ = covariance(n, 1e-3)
    assert abs(largest_eigenvalue(matrix) - 1) < 1e-12
    assert abs(float(jax.jit(largest_eigenvalue)(matrix.astype(np.float32))) - 1) < 1e-5
