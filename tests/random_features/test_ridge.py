"""Ridge regression in batches: order does not matter, and every number agrees with its definition."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from nnlimits.random_features import RidgeStatistics

random = np.random.default_rng(0)
PHI = random.normal(size=(200, 30)) * np.logspace(0, -2, 30)
Y = np.stack([PHI[:, 0] + 0.1 * random.normal(size=200) + 3.0, random.normal(size=200)], 1)


def learned(order=slice(None), sizes=(200,)) -> RidgeStatistics:
    statistics, start = RidgeStatistics(30, 2), 0
    for size in sizes:
        rows = np.arange(200)[order][start : start + size]
        statistics.partial_fit(PHI[rows], Y[rows])
        start += size
    return statistics


def test_batches_in_any_order_agree():
    whole, parts = learned().select(), learned(slice(None, None, -1), (1, 7, 150, 42)).select()
    np.testing.assert_allclose(parts.weights, whole.weights, rtol=1e-9, atol=1e-12)
    assert parts.ridge == pytest.approx(whole.ridge, rel=1e-9)


def test_against_kernel_ridge_regression_and_scikit_learn():
    solution = learned().solve(1e-2)
    kernel = np.linalg.solve(PHI @ PHI.T + 200 * 1e-2 * np.eye(200), Y - Y.mean(0))
    np.testing.assert_allclose(solution.weights, PHI.T @ kernel, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(solution.offset, Y.mean(0))
    other = Ridge(alpha=2.0, fit_intercept=False).fit(PHI, Y - Y.mean(0))
    np.testing.assert_allclose(solution.weights, other.coef_.T, rtol=1e-9, atol=1e-12)


def test_generalised_cross_validation_by_its_definition():
    ridge = 3e-3
    smoother = PHI @ np.linalg.solve(PHI.T @ PHI + 200 * ridge * np.eye(30), PHI.T)
    centred = (Y - Y.mean(0)) / Y.std(0)
    residual = centred - smoother @ centred
    solution = learned().solve(ridge)
    assert solution.effective_dimension == pytest.approx(np.trace(smoother))
    assert solution.validation == pytest.approx(np.mean(residual**2) / (1 - np.trace(smoother) / 200) ** 2)


def test_the_selected_ridge_is_the_best_of_a_fine_grid():
    statistics = learned()
    best = min(statistics.solve(ridge).validation for ridge in np.logspace(-8, 1, 91))
    # the parabola is through points a factor of ten apart
    assert statistics.select().validation <= best * 1.01


def test_left_out_predictions():
    solution = learned().solve(1e-2)
    prediction = PHI @ solution.weights + solution.offset
    leverage = solution.leverage(PHI)[:5, None]
    closed = (prediction[:5] - leverage * Y[:5]) / (1 - leverage)
    for i in range(5):
        kept = np.delete(np.arange(200), i)
        # the same penalty and the same centre without example i
        matrix = PHI[kept].T @ PHI[kept] + 200 * 1e-2 * np.eye(30)
        weights = np.linalg.solve(matrix, PHI[kept].T @ (Y[kept] - Y.mean(0)))
        np.testing.assert_allclose(PHI[i] @ weights + Y.mean(0), closed[i], rtol=1e-8)


def test_single_precision_features_and_one_output():
    statistics = RidgeStatistics(30).partial_fit(PHI.astype(np.float32), Y[:, 0].astype(np.float32))
    expected = learned().solve(1e-2).weights[:, :1]
    np.testing.assert_allclose(statistics.solve(1e-2).weights, expected, atol=1e-5)


def test_more_features_than_examples():
    statistics = RidgeStatistics(30).partial_fit(PHI[:10], Y[:10, 0])
    solution = statistics.solve(1e-12)
    np.testing.assert_allclose(PHI[:10] @ solution.weights[:, 0] + solution.offset, Y[:10, 0], atol=1e-6)
    assert np.isfinite(statistics.select().validation)


def test_refusals():
    statistics = RidgeStatistics(30, 2)
    with pytest.raises(ValueError, match="there are no examples yet"):
        statistics.solve(1.0)
    with pytest.raises(ValueError, match=r"features must have shape \(n, 30\); received \(200, 29\)"):
        statistics.partial_fit(PHI[:, 1:], Y)
    with pytest.raises(ValueError, match=r"targets must have shape \(200, 2\); received \(200,\)"):
        statistics.partial_fit(PHI, Y[:, 0])
    bad = Y.copy()
    bad[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"targets contains nan at index \(7, 1\)"):
        statistics.partial_fit(PHI, bad)
    assert statistics.n_examples == 0
    with pytest.raises(ValueError, match="ridge must be finite and positive"):
        learned().solve(-1.0)
    same = RidgeStatistics(2).partial_fit(np.ones((50, 2)), np.arange(50.0))
    with pytest.raises(ValueError, match="ridge 1e-30 is below the rounding errors of the features' covariance; try"):
        same.solve(1e-30)
