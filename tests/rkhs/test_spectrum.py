"""Empirical spectra: all eigenvalues, the leading ones, and Nystrom's."""

import numpy as np
import pytest
from numpy_kernels import arc_cosine, gaussian, linear, on_sphere

import nnlimits as nl
from nnlimits import nn, rkhs

RNG = np.random.default_rng(0)
X = on_sphere(RNG, 150, 3)


def test_eigenfunctions():
    """Orthonormal on the sample; their extension has their values there, and satisfies the eigenvalue equation elsewhere."""
    found = rkhs.empirical_spectrum(gaussian, X).leading(10)
    np.testing.assert_allclose(found.eigenvectors.T @ found.eigenvectors / 150, np.eye(10), atol=1e-10)
    np.testing.assert_allclose(found.eigenfunctions(X), found.eigenvectors, atol=1e-7)
    z = on_sphere(RNG, 4, 3)
    integral = gaussian(z, X) @ found.eigenvectors / 150
    np.testing.assert_allclose(integral, found.eigenvalues * found.eigenfunctions(z), atol=1e-12)


def test_coefficients_are_those_of_the_targets():
    found = rkhs.empirical_spectrum(gaussian, X)
    y = RNG.standard_normal((150, 2))
    coefficients = found.coefficients(y)
    np.testing.assert_allclose(found.eigenvectors @ coefficients, y, atol=1e-10)
    power = rkhs.target_power(found.leading(20), y)
    assert power.power.sum() + power.unlearnable == pytest.approx(np.square(y).sum(1).mean(), rel=1e-12)


def test_leading_eigenvalues_without_the_matrix():
    """Those of a circle come in equal pairs, all of which a block finds; kernels are evaluated a few rows at a time."""
    angle = 2 * np.pi * np.arange(200) / 200
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    whole = rkhs.empirical_spectrum(arc_cosine, circle)
    seen = []
    found = rkhs.leading_spectrum(arc_cosine, circle, 7, advance=seen.append)
    np.testing.assert_allclose(found.eigenvalues, whole.eigenvalues[:7], rtol=1e-10)
    assert found.eigenvalues[1] == pytest.approx(found.eigenvalues[2], rel=1e-12)
    assert (found.residuals <= 1e-8 * found.eigenvalues[0]).all()
    assert (np.abs(found.eigenvalues - whole.eigenvalues[:7]) <= found.residuals + 1e-14).all()
    assert found.tail == pytest.approx(whole.eigenvalues[7:].sum(), rel=1e-9)
    assert len(seen) < 20
    np.testing.assert_allclose(found.eigenvectors.T @ found.eigenvectors / 200, np.eye(7), atol=1e-10)


def test_leading_eigenvalues_of_a_kernel_of_low_rank():
    """The iteration ends where nothing is left: three eigenvalues, and zeros."""
    found = rkhs.leading_spectrum(linear, X, 5)
    exact = np.sort(np.linalg.eigvalsh(X.T @ X / 150))[::-1]
    np.testing.assert_allclose(found.eigenvalues[:3], exact, rtol=1e-10)
    np.testing.assert_allclose(found.eigenvalues[3:], 0, atol=1e-12)
    with pytest.raises(ValueError, match="only the first 3 of 5 eigenvalues are above rounding"):
        found.eigenfunctions(X)


def test_nystrom_bounds():
    """Each is at most the sample's own, by no more than the trace that is missing, which falls with more landmarks."""
    whole, lacking = rkhs.empirical_spectrum(arc_cosine, X), []
    for landmarks in (10, 40, 150):
        found = rkhs.nystrom_spectrum(arc_cosine, X, landmarks)
        short = whole.eigenvalues[: len(found.eigenvalues)] - found.eigenvalues
        assert (short >= -1e-12).all()
        assert (short <= found.residuals + 1e-12).all()
        lacking.append(found.residuals[0])
    assert lacking[0] > 3 * lacking[1]
    assert lacking[2] < 1e-10


def test_kernel_of_a_network():
    kernel, x = nl.kernel(nn.Sequential(nn.Dense(8), nn.Relu(), nn.Dense(1))), X[:12]
    whole, some = rkhs.empirical_spectrum(kernel.nngp, x), rkhs.leading_spectrum(kernel.nngp, x, 3)
    np.testing.assert_allclose(some.eigenvalues, whole.eigenvalues[:3], rtol=1e-9)
    assert some.trace == pytest.approx(whole.eigenvalues.sum(), rel=1e-9)


def test_bad_input():
    with pytest.raises(ValueError, match="count is 151, but a sample of 150 has 150 eigenvalues"):
        rkhs.leading_spectrum(gaussian, X, 151)
    with pytest.raises(ValueError, match="landmarks is 200, but there are 150 examples"):
        rkhs.nystrom_spectrum(gaussian, X, 200)
    with pytest.raises(ValueError, match=r"negative eigenvalue.*not positive semi-definite"):
        rkhs.empirical_spectrum(lambda a, b: -gaussian(a, b), X)
    with pytest.raises(ValueError, match="largest eigenvalue of the Gram matrix is 0; kernel must be positive"):
        rkhs.leading_spectrum(lambda a, b: 0 * gaussian(a, b), X, 3)
    with pytest.raises(ValueError, match="seed must be an integer, at least 0; received -1"):
        rkhs.nystrom_spectrum(gaussian, X, 3, seed=-1)
    with pytest.raises(ValueError, match="tolerance must be finite and positive"):
        rkhs.leading_spectrum(gaussian, X, 3, tolerance=0)
    with pytest.raises(ValueError, match="count is 20, but there are 5"):
        rkhs.empirical_spectrum(gaussian, X[:5]).leading(20)
    with pytest.raises(ValueError, match="as many rows"):
        rkhs.empirical_spectrum(gaussian, X).coefficients(np.ones(3))
