"""Distances of kernels: their definitions, and that the spectral one controls ridge regression."""

import jax
import numpy as np
import pytest

from nnlimits.random_features import Stationary, fourier_features, kernel_error

X = np.random.default_rng(0).normal(size=(60, 3))
K = np.asarray(Stationary("gaussian", 1.0)(X))


def test_definitions():
    other = K + np.diag(np.linspace(-0.1, 0.2, 60))
    error = kernel_error(K, other, ridge=1e-2)
    assert error.frobenius == pytest.approx(np.linalg.norm(other - K) / np.linalg.norm(K))
    assert error.maximum == pytest.approx(0.2)
    shift = 1e-2 * np.trace(K) * np.eye(60)
    # (1 - e)(K + r) <= K' + r <= (1 + e)(K + r), tight on one of its sides
    gaps = [
        np.linalg.eigvalsh(sign * (other - K) + (1 + slack) * error.spectral * (K + shift)).min()
        for sign in (1, -1)
        for slack in (1e-9, -1e-3)
    ]
    assert min(gaps[0], gaps[2]) > -1e-10
    assert min(gaps[1], gaps[3]) < 0


def test_no_error():
    assert kernel_error(K, K) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("n_features", [128, 512, 2048])
def test_the_spectral_error_bounds_the_risk_of_ridge_regression(n_features):
    embed = fourier_features(3, n_features, key=jax.random.key(n_features))
    z = np.asarray(embed(X))
    target, noise, relative = np.sin(X[:, 0]), 0.1, 1e-2
    shift = relative * np.trace(K) * np.eye(60)
    epsilon = embed.error(X, ridge=relative).spectral

    def risk(k):
        smoother = k @ np.linalg.inv(k + shift)
        return np.mean((smoother @ target - target) ** 2) + noise * np.sum(smoother**2) / 60

    def bound(k):  # Alaoui & Mahoney 2015: what Avron et al. bound the risk by
        inverse = np.linalg.inv(k + shift)
        return shift[0, 0] * target @ inverse @ target / 60 + noise * np.trace(k @ inverse) / 60

    if epsilon < 1:
        assert (
            risk(z @ z.T) <= bound(K) / (1 - epsilon) + epsilon / (1 + epsilon) * noise * np.linalg.matrix_rank(z) / 60
        )
    assert epsilon < 1 or n_features == 128


def test_refusals():
    with pytest.raises(ValueError, match=r"square matrices of one shape; received \(60, 60\) and \(2, 2\)"):
        kernel_error(K, K[:2, :2])
    with pytest.raises(ValueError, match="ridge must be finite and positive"):
        kernel_error(K, K, ridge=0.0)
    with pytest.raises(ValueError, match="exact must have a positive trace"):
        kernel_error(0 * K, K)
    bad = K.copy()
    bad[4, 5] = np.inf
    with pytest.raises(ValueError, match=r"approximate contains inf at index \(4, 5\)"):
        kernel_error(K, bad)
