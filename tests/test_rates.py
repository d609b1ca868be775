"""Fitted power laws."""

import numpy as np
import pytest

from nnlimits.rates import fitted_mean_rate, fitted_paired_rate, fitted_rate

SCALES = np.array([4.0, 8.0, 16.0, 32.0])


def test_exact_power_laws():
    errors = 3 * SCALES[:, None] ** -0.5 * np.ones(4)
    for fitted in (fitted_rate, fitted_paired_rate):
        found = fitted(SCALES, errors)
        np.testing.assert_allclose([found.slope, found.low, found.high], -0.5)
        np.testing.assert_allclose(np.exp(found.intercept), 3)
    found = fitted_mean_rate(SCALES, -errors)
    np.testing.assert_allclose([found.slope, found.low, found.high], -0.5)
    np.testing.assert_allclose(found.errors, errors[:, 0])


def test_problems_that_differ_are_no_noise():
    """Each problem has the slope -1 at its own level: paired intervals are a point, and those of independent draws are wide."""
    errors = SCALES[:, None] ** -1.0 * np.array([1.0, 3.0, 10.0])
    assert np.ptp(fitted_paired_rate(SCALES, errors)[1:3]) < 1e-9
    assert np.ptp(fitted_rate(SCALES, errors)[1:3]) > 0.3


def test_intervals_of_means():
    """Of 300 experiments with Gaussian noise 94 % hold the truth, within 3.5 standard errors of a share, 1.3 % each. Means are
    more than six of their standard errors.
    """
    draw, hits, repeats = np.random.default_rng(0), 0, 300
    for _ in range(repeats):
        values = -1 / SCALES[:, None] + 0.1 * draw.standard_normal((4, 400))
        found = fitted_mean_rate(SCALES, values, resamples=200)
        hits += found.low < -1 < found.high
    assert abs(hits / repeats - 0.94) < 0.045


def test_means_that_noise_hides():
    values = np.random.default_rng(0).standard_normal((4, 100))
    assert np.isnan(fitted_mean_rate(SCALES, values).slope)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((1, 3)), "two or more scales and seeds"),
        (np.ones((4, 1)), "two or more scales and seeds"),
        (np.full((4, 3), np.nan), "values must be finite"),
    ],
)
def test_bad_values(values, message):
    with pytest.raises(ValueError, match=message):
        fitted_mean_rate(SCALES[: len(values)], values)
    with pytest.raises(ValueError, match="finite and positive"):
        fitted_paired_rate(SCALES, -np.ones((4, 2)))
