"""Stationary kernels against scikit-learn's."""

import numpy as np
import pytest
from sklearn.gaussian_process.kernels import RBF, Matern
from sklearn.metrics.pairwise import laplacian_kernel

from nnlimits.random_features import Stationary

X = np.random.default_rng(0).normal(size=(20, 3)) + 5.0
Z = np.random.default_rng(1).normal(size=(7, 3)) + 5.0
REFERENCES = {
    "gaussian": RBF(1.7),
    "laplacian": lambda x, z=None: laplacian_kernel(x, z, gamma=1 / 1.7),
    "matern12": Matern(1.7, nu=0.5),
    "matern32": Matern(1.7, nu=1.5),
    "matern52": Matern(1.7, nu=2.5),
}


@pytest.mark.parametrize("law", REFERENCES)
def test_against_scikit_learn(law):
    kernel, reference = Stationary(law, 1.7), REFERENCES[law]
    np.testing.assert_allclose(kernel(X, Z), reference(X, Z), rtol=1e-12)
    np.testing.assert_allclose(kernel(X), reference(X), rtol=1e-12, atol=1e-14)
    single = kernel(X.astype(np.float32), Z.astype(np.float32))
    assert single.dtype == np.float32
    # squared distances of up to 30 in the exponent, in single precision
    np.testing.assert_allclose(single, reference(X, Z), atol=30 * np.finfo(np.float32).eps)


def test_a_lengthscale_of_each_column():
    lengths = np.array([0.5, 2.0, 3.0])
    np.testing.assert_allclose(Stationary("gaussian", lengths)(X, Z), RBF(lengths)(X, Z), rtol=1e-12)
    with pytest.raises(ValueError, match="x1 has 2 columns, but there are 3 lengthscales"):
        Stationary("gaussian", lengths)(X[:, :2])


@pytest.mark.parametrize(
    ("law", "lengthscale", "error", "match"),
    [
        ("cauchy", 1.0, ValueError, "law must be one of 'gaussian'"),
        ("gaussian", 0.0, ValueError, "lengthscale must be positive; received 0.0"),
        ("gaussian", np.array([1.0, np.nan]), ValueError, "lengthscale contains nan at index 1"),
        (
            "gaussian",
            "wide",
            TypeError,
            "lengthscale must be a positive number, or one for each column; received 'wide'",
        ),
    ],
)
def test_refusals(law, lengthscale, error, match):
    with pytest.raises(error, match=match):
        Stationary(law, lengthscale)
