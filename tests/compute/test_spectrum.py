import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from nnlimits.compute.spectrum import apply_gain, eigendecomposition


def decay(values, time):
    return jnp.exp(-values * time)


def symmetric(eigenvalues, seed=0):
    n = len(eigenvalues)
    vectors = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]
    return vectors * eigenvalues @ vectors.T


def test_eigendecomposition():
    matrix = symmetric(np.arange(7.0))
    values, vectors = eigendecomposition(matrix)
    np.testing.assert_allclose(values, np.arange(7), atol=1e-12)
    np.testing.assert_allclose(vectors * values @ vectors.T, matrix, atol=1e-12)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "eigenvalues",
    [
        np.array([0.1, 0.5, 2.0, 3.0]),
        np.ones(4),
        np.array([1, 1, 1, 2.0]),
        1 + 1e-9 * np.arange(4),
        np.array([0, 1e-14, 1, 1]),
    ],
    ids=["distinct", "equal", "repeated", "close", "small"],
)
def test_derivatives_also_where_eigenvalues_coincide(eigenvalues):
    """The matrix exponential has an independent Frechet derivative, by the block-triangular method in scipy."""
    matrix, b = symmetric(eigenvalues), np.random.default_rng(1).normal(size=(4, 3))
    change = symmetric(np.array([1.0, -2, 3, 0.5]), seed=2)
    push = jax.jit(lambda m, change: jax.jvp(lambda m: apply_gain(decay, m, b, (1.3,)), (m,), (change,)))
    value, derivative = push(matrix, change)
    expected, slope = scipy.linalg.expm_frechet(-1.3 * matrix, -1.3 * change)
    np.testing.assert_allclose(value, expected @ b, atol=1e-13)
    np.testing.assert_allclose(derivative, slope @ b, atol=1e-9)
    pullback = jax.jit(jax.grad(lambda m: (apply_gain(decay, m, b, (1.3,)) * b).sum()))(matrix)
    np.testing.assert_allclose((pullback * change).sum(), (slope @ b * b).sum(), atol=1e-8)


@pytest.mark.usefixtures("x64")
def test_derivative_in_parameters_and_operand():
    matrix, b = symmetric(np.array([0.1, 0.5, 2.0, 3.0])), np.eye(4)
    slope = jax.jit(jax.jacfwd(lambda t: apply_gain(decay, matrix, b, (t,))))(1.3)
    np.testing.assert_allclose(slope, -matrix @ scipy.linalg.expm(-1.3 * matrix), atol=1e-12)
    tangent = jax.jvp(lambda b: apply_gain(decay, matrix, b, (1.3,)), (b,), (2 * b,))[1]
    np.testing.assert_allclose(tangent, 2 * scipy.linalg.expm(-1.3 * matrix), atol=1e-12)
