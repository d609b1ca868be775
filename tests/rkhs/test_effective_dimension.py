"""Effective dimensions and leverages."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_kernels import gaussian, linear

from nnlimits import rkhs

X = np.random.default_rng(0).standard_normal((25, 3))


@settings(max_examples=20, deadline=None)
@given(regularization=st.floats(1e-6, 1e3))
def test_by_the_definition(regularization):
    matrix = gaussian(X, X)
    hat = matrix @ np.linalg.inv(matrix + 25 * regularization * np.eye(25))
    found = rkhs.effective_dimension(gaussian, X, regularization)
    np.testing.assert_allclose(found.leverages, np.diagonal(hat), rtol=1e-6)
    assert found.dimension == pytest.approx(np.trace(hat), rel=1e-7)
    assert found.dimension <= found.maximal * (1 + 1e-12)
    assert 0 <= found.dimension <= 25


def test_limits():
    """The rank without regularization; the trace over it with much."""
    assert rkhs.effective_dimension(linear, X, 1e-8).dimension == pytest.approx(3, rel=1e-6)
    assert rkhs.effective_dimension(gaussian, X, 1e6).dimension == pytest.approx(1e-6, rel=1e-4)


def test_agrees_with_kernel_ridge():
    found = rkhs.kernel_ridge(gaussian, X, X[:, 0], ridge=25 * 0.1)
    assert rkhs.effective_dimension(gaussian, X, 0.1).dimension == pytest.approx(found.degrees_of_freedom, rel=1e-10)


def test_power_law():
    """`mu_i = i^-a` has the dimension `lambda^(-1/a) (pi / a) / sin(pi / a)` for small lambda, by the integral over i."""
    a, scale = 2.0, 1e-6
    found = rkhs.spectral_effective_dimension(np.arange(1.0, 1e6) ** -a, scale)[0]
    assert found == pytest.approx(scale ** (-1 / a) * np.pi / a / np.sin(np.pi / a), rel=2e-3)


def test_bad_input():
    with pytest.raises(ValueError, match="regularization must be finite and positive; received 0"):
        rkhs.effective_dimension(gaussian, X, 0)
    with pytest.raises(ValueError, match="eigenvalues must not be negative"):
        rkhs.spectral_effective_dimension([-1.0], 1.0)
    with pytest.raises(ValueError, match="regularization must be finite and positive"):
        rkhs.spectral_effective_dimension([1.0], [1.0, -1.0])
    with pytest.raises(ValueError, match="multiplicities must have shape"):
        rkhs.spectral_effective_dimension([1.0], 1.0, multiplicities=[1, 2])
