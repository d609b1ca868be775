"""Functions of a kernel's Hilbert space and their norms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_kernels import arc_cosine, gaussian, linear

import nnlimits as nl
from nnlimits import nn, rkhs

RNG = np.random.default_rng(0)
X, Z = RNG.standard_normal((12, 3)), RNG.standard_normal((5, 3))
Y = RNG.standard_normal(12)


def test_norm_of_a_linear_function_is_that_of_its_weights():
    """The space of `<x, x'>` is that of the linear functions, each with the norm of its gradient."""
    weights = RNG.standard_normal((12, 2))
    f = rkhs.representer(linear, X, weights)
    gradient = X.T @ weights
    np.testing.assert_allclose(f(Z), Z @ gradient, rtol=1e-12)
    np.testing.assert_allclose(f.norm, np.linalg.norm(gradient, axis=0), rtol=1e-12)


def test_reproducing_property():
    """`<f, k(z, .)> = f(z)`."""
    f = rkhs.representer(gaussian, X, Y)
    for z in Z:
        assert f.inner(rkhs.representer(gaussian, z[None], np.ones(1))) == pytest.approx(f(z[None])[0], rel=1e-12)
    assert f.inner(f) == pytest.approx(f.squared_norm, rel=1e-12)


def test_difference_and_distance():
    f, g = rkhs.representer(gaussian, X, Y), rkhs.representer(gaussian, Z, np.ones(5))
    np.testing.assert_allclose((f - g)(X), f(X) - g(X), atol=1e-12)
    assert (f - g).norm == pytest.approx(f.distance(g), rel=1e-10)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_norm_bounds_values(seed):
    """`|f(x)| <= |f| sqrt(k(x, x))` (Cauchy and Schwarz)."""
    generator = np.random.default_rng(seed)
    f = rkhs.representer(arc_cosine, generator.standard_normal((6, 3)), generator.standard_normal(6))
    x = generator.standard_normal((9, 3))
    assert (np.abs(f(x)) <= f.norm * np.sqrt(np.diagonal(arc_cosine(x, x))) * (1 + 1e-9)).all()


def test_interpolant_has_the_least_norm():
    """Any other function through the same points has a larger norm (Kimeldorf & Wahba 1971)."""
    f = rkhs.minimum_norm_interpolant(gaussian, X, Y)
    np.testing.assert_allclose(f(X), Y, atol=1e-8)
    assert f.squared_norm == pytest.approx(Y @ np.linalg.solve(gaussian(X, X), Y), rel=1e-8)
    other = rkhs.minimum_norm_interpolant(gaussian, np.concatenate([X, Z]), np.concatenate([Y, f(Z) + 0.1]))
    assert other.norm > f.norm
    assert other.inner(f) == pytest.approx(f.squared_norm, rel=1e-6)  # the difference is orthogonal to f


def test_kernel_of_a_network_agrees_with_the_posterior():
    kernel = nl.kernel(nn.Sequential(nn.Dense(8), nn.Relu(), nn.Dense(1)))
    f = rkhs.kernel_ridge(kernel.nngp, X, Y, ridge=0.1).predictor
    np.testing.assert_allclose(f(Z), np.asarray(nl.posterior(kernel, X, Y, noise=0.1).mean(Z)), rtol=1e-6)
    assert f.norm > 0
    assert rkhs.representer(kernel.nngp, X, f.weights[:, 0]).norm == pytest.approx(float(f.norm), rel=1e-6)


def test_any_precision_gives_double_precision():
    """Also of a kernel written in JAX, which computes in float32 unless told otherwise."""
    kernel, rows = (lambda a, b: jnp.exp(jnp.asarray(a) @ jnp.asarray(b).T)), np.arange(12.0).reshape(4, 3) / 8
    f = rkhs.kernel_ridge(kernel, rows.astype(np.float32), np.arange(4), ridge=0.1)
    expected = np.exp(rows @ rows.T) @ np.linalg.solve(np.exp(rows @ rows.T) + 0.1 * np.eye(4), np.arange(4.0))
    np.testing.assert_allclose(f(rows), expected, rtol=1e-10)
    assert f(rows).dtype == np.float64


def test_bad_input():
    net = nn.Sequential(nn.Dense(1), nn.Relu(), nn.Dense(1))
    f = rkhs.representer(gaussian, X, Y)
    with pytest.raises(TypeError, match=r"kernel must be one of a network's two kernels: .*\.ntk or \.nngp"):
        rkhs.representer(nl.kernel(net), X, Y)
    with pytest.raises(TypeError, match="received the network"):
        rkhs.minimum_norm_interpolant(net, X, Y)
    with pytest.raises(TypeError, match=r"k\(x1, x2\)"):
        rkhs.representer(X @ X.T, X, Y)
    with pytest.raises(ValueError, match="as many rows: x has 12 and y has 5"):
        rkhs.representer(gaussian, X, np.ones(5))
    with pytest.raises(ValueError, match=r"x contains nan at index \(0, 0\)"):
        rkhs.representer(gaussian, np.full((2, 2), np.nan), np.ones(2))
    with pytest.raises(ValueError, match=r"the same features; received shapes \(5, 2\) and \(12, 3\)"):
        f(Z[:, :2])
    with pytest.raises(ValueError, match="kernel is not symmetric: k"):
        rkhs.representer(lambda a, b: a[:, :1] + 0 * (a @ b.T), X, Y)
    with pytest.raises(ValueError, match=r"kernel must return shape \(12, 12\)"):
        rkhs.representer(lambda a, b: np.ones(3), X, Y)
    with pytest.raises(ValueError, match=r"kernel returned nan for the pair \(0, 0\)"):
        rkhs.representer(lambda a, b: np.full((len(a), len(b)), np.nan), X, Y)
    with pytest.raises(ValueError, match="one kernel; their spaces"):
        f.inner(rkhs.representer(linear, X, Y))
    with pytest.raises(TypeError, match="other must be a Representer; received int"):
        f.distance(3)
    with pytest.raises(TypeError, match=r"x is traced: nnlimits.rkhs works on known values"):
        jax.jit(lambda x: rkhs.kernel_ridge(gaussian, x, Y, ridge=1.0).residuals)(X)
    with pytest.raises(TypeError, match="y must be a real numeric array"):
        rkhs.minimum_norm_interpolant(gaussian, X, np.array(["a"] * 12))
    with pytest.warns(UserWarning, match="larger ridge="):
        rkhs.minimum_norm_interpolant(linear, X, Y)
