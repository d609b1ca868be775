"""The empirical NTK as an operator, and its largest eigenvalues."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from functions import draw, kernel_by_definition, mlp

import nnlimits as nl

lineax = pytest.importorskip("lineax")
pytest.importorskip("matfree")


def matrix_of(f, params, x):
    kernel = kernel_by_definition(f, params, x, x).swapaxes(1, 2)
    size = kernel.shape[0] * kernel.shape[1]
    return kernel.reshape(size, size)


def test_operator_is_the_kernel(x64):
    f, params, shape = mlp()
    x = draw(0, 5, *shape)
    operator = nl.empirical.ntk_operator(f, params, x)
    matrix = matrix_of(f, params, x)
    vector = draw(1, 15)
    np.testing.assert_allclose(operator.mv(vector), matrix @ vector, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(operator.as_matrix(), matrix, rtol=1e-10, atol=1e-10)
    assert lineax.is_symmetric(operator)
    assert lineax.is_positive_semidefinite(operator)


def test_conjugate_gradients_apply(x64):
    f, params, shape = mlp()
    x, b = draw(0, 5, *shape), jnp.asarray(draw(1, 15))
    operator = nl.empirical.ntk_operator(f, params, x)
    ridge = lineax.DiagonalLinearOperator(jnp.ones(15))
    total = lineax.TaggedLinearOperator(operator + ridge, lineax.positive_semidefinite_tag)
    solution = lineax.linear_solve(total, b, lineax.CG(rtol=1e-10, atol=1e-10)).value
    expected = np.linalg.solve(matrix_of(f, params, x) + np.eye(15), b)
    np.testing.assert_allclose(solution, expected, rtol=1e-6, atol=1e-8)


def test_eigenpairs_of_the_operator(x64):
    f, params, shape = mlp()
    x = draw(0, 12, *shape)
    found = nl.empirical.top_eigenpairs(nl.empirical.ntk_operator(f, params, x), 4, jax.random.key(0))
    expected = np.linalg.eigvalsh(matrix_of(f, params, x))[::-1][:4]
    np.testing.assert_allclose(found.values, expected, rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spectrum",
    [1 / np.arange(1.0, 61) ** 2, np.linspace(1, 2, 60), np.r_[5.0, 4, 3, 2, 1, np.zeros(55)], np.ones(60)],
    ids=["decaying", "clustered", "of low rank", "one eigenvalue"],
)
def test_known_spectrum(spectrum, x64):
    """Eigenvalues to 1e-6, and residuals that are what they say; also where the iteration ends before it has them all."""
    basis = np.linalg.qr(draw(3, 60, 60))[0]
    matrix = jnp.asarray(basis * spectrum @ basis.T)
    structure = jax.ShapeDtypeStruct((60,), np.float64)
    operator = lineax.FunctionLinearOperator(lambda v: matrix @ v, structure, lineax.symmetric_tag)
    values, vectors, residuals = nl.empirical.top_eigenpairs(operator, 7, jax.random.key(0))
    np.testing.assert_allclose(values, np.sort(spectrum)[::-1][:7], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(7), atol=1e-6)
    actual = np.linalg.norm(matrix @ vectors - vectors * values, axis=0)
    np.testing.assert_allclose(residuals, actual, atol=1e-12)
    assert (residuals <= 1.5e-8 * values[0]).all()


@pytest.mark.slow
def test_single_precision():
    f, params, shape = mlp()
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), params)
    x = draw(0, 12, *shape)
    found = nl.empirical.top_eigenpairs(nl.empirical.ntk_operator(f, params, x), 2, jax.random.key(0))
    assert found.values.dtype == np.float32
    np.testing.assert_allclose(found.values, np.linalg.eigvalsh(matrix_of(f, params, x))[::-1][:2], rtol=1e-4)


def test_bad_arguments():
    f, params, shape = mlp()
    operator = nl.empirical.ntk_operator(f, jax.tree.map(np.float32, params), draw(0, 2, *shape))
    with pytest.raises(ValueError, match="k must be a whole number between 1 and the operator's size 6; received 7"):
        nl.empirical.top_eigenpairs(operator, 7, jax.random.key(0))
