"""Kernel principal components, against scikit-learn."""

import numpy as np
import pytest
import sklearn.decomposition
from numpy_kernels import gaussian, linear

from nnlimits import rkhs

RNG = np.random.default_rng(0)
X, Z = RNG.standard_normal((30, 3)), RNG.standard_normal((8, 3))


def test_scikit_learn():
    peer = sklearn.decomposition.KernelPCA(4, kernel="precomputed").fit(gaussian(X, X))
    found = rkhs.kernel_pca(gaussian, X, 4)
    np.testing.assert_allclose(found.variances, peer.eigenvalues_ / 30, rtol=1e-10)
    np.testing.assert_allclose(np.abs(found(Z)), np.abs(peer.transform(gaussian(Z, X))), atol=1e-8)


def test_linear_kernel_is_ordinary_principal_components():
    peer = sklearn.decomposition.PCA(2).fit(X)
    found = rkhs.kernel_pca(linear, X, 2)
    np.testing.assert_allclose(found.explained, peer.explained_variance_ratio_, rtol=1e-10)
    np.testing.assert_allclose(np.abs(found(Z)), np.abs(peer.transform(Z)), atol=1e-10)


def test_coordinates_of_the_sample():
    """Their means are zero, they are uncorrelated, and their variances are those of the components."""
    found = rkhs.kernel_pca(gaussian, X, 5)
    coordinates = found(X)
    np.testing.assert_allclose(coordinates.T @ coordinates / 30, np.diag(found.variances), atol=1e-12)
    np.testing.assert_allclose(coordinates.mean(0), 0, atol=1e-12)


def test_bad_input():
    with pytest.raises(ValueError, match="components is 4, but the sample of 30 varies in 3 directions"):
        rkhs.kernel_pca(linear, X, 4)
    with pytest.raises(ValueError, match="varies in 0 directions"):
        rkhs.kernel_pca(linear, X[:1], 1)
    with pytest.raises(ValueError, match=r"negative eigenvalue.*not positive semi-definite"):
        rkhs.kernel_pca(lambda a, b: -gaussian(a, b), X, 1)
    offset = rkhs.kernel_pca(
        lambda a, b: 1e9 + linear(a, b), X, 2
    )  # rounding of 1e-7 is no sign of an indefinite kernel
    np.testing.assert_allclose(offset.variances, rkhs.kernel_pca(linear, X, 2).variances, rtol=1e-5)
