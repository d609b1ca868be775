"""Scores of predictions."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics

from nnlimits import report


@pytest.fixture
def classified():
    draw = np.random.default_rng(0)
    probabilities = draw.dirichlet(np.ones(3), 4000)
    labels = np.array([draw.choice(3, p=p) for p in probabilities])
    return labels, probabilities


def test_accuracy_and_likelihood(classified):
    labels, p = classified
    assert report.accuracy(labels, p) == metrics.accuracy_score(labels, p.argmax(1))
    assert report.negative_log_likelihood(labels, p) == pytest.approx(metrics.log_loss(labels, p))


def test_impossible_event_has_a_finite_likelihood():
    assert np.isfinite(report.negative_log_likelihood(np.array([1]), np.array([[1.0, 0.0]])))


def test_honest_probabilities_are_calibrated(classified):
    """With 4,000 draws in 10 bins, sampling alone leaves about 0.4 * sqrt(10 / 4000) = 0.02."""
    labels, p = classified
    assert report.expected_calibration_error(labels, p) < 0.03
    sharpened = p**4 / (p**4).sum(1, keepdims=True)
    assert report.expected_calibration_error(labels, sharpened) > 0.1


def test_reliability_by_hand():
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.85, 0.15], [1.0, 0.0]])
    binned = report.reliability(np.array([0, 1, 0, 0]), p, bins=5)
    np.testing.assert_array_equal(binned.count, [0, 0, 0, 0, 4])
    assert binned.confidence[-1] == pytest.approx(0.8875)
    assert binned.accuracy[-1] == pytest.approx(0.75)
    assert np.isnan(binned.accuracy[0])
    assert report.expected_calibration_error(np.array([0, 1, 0, 0]), p, bins=5) == pytest.approx(0.1375)


def test_regression_scores():
    draw = np.random.default_rng(0)
    mean, std = draw.standard_normal(2000), draw.uniform(0.5, 2, 2000)
    targets = mean + std * draw.standard_normal(2000)
    expected = -norm.logpdf(targets, mean, std).mean()
    assert report.gaussian_negative_log_likelihood(targets, mean, std) == pytest.approx(expected)
    assert report.root_mean_squared_error(targets, mean) == pytest.approx(
        metrics.root_mean_squared_error(targets, mean)
    )
    assert abs(report.coverage(targets, mean, std) - 0.95) < 4 * (0.95 * 0.05 / 2000) ** 0.5
    assert abs(report.coverage(targets, mean, std, 0.5) - 0.5) < 4 * (0.25 / 2000) ** 0.5
