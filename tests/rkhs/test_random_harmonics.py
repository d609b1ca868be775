"""Random functions on spheres: their mean square, degree by degree."""

import numpy as np
import pytest
from numpy_kernels import on_sphere

from nnlimits.rkhs import experiments


def test_mean_square_of_each_degree_on_a_circle():
    """Harmonics of degree k are the waves of k turns: those of equally spaced points are found by Fourier's transform."""
    power = np.array([0.3, 0.0, 0.5, 0.0, 1.2])
    target = experiments.random_harmonics(2, power, np.random.default_rng(0))
    angle = 2 * np.pi * np.arange(64) / 64
    waves = np.abs(np.fft.rfft(target(3 * np.stack([np.cos(angle), np.sin(angle)], 1))) / 64) ** 2
    found = waves * np.where(np.arange(33) > 0, 2, 1)
    np.testing.assert_allclose(found[:5], power, atol=1e-12)
    np.testing.assert_allclose(found[5:], 0, atol=1e-12)


def test_mean_square_in_many_dimensions():
    """Of 20,000 points in 8 dimensions: the standard error of a mean of squares is some 1 %, and 5 % are allowed."""
    generator = np.random.default_rng(1)
    target = experiments.random_harmonics(8, [0.0, 0.5, 0.0, 0.25], generator)
    values = target(on_sphere(generator, 20_000, 8))
    assert np.mean(values**2) == pytest.approx(0.75, rel=0.05)
    assert abs(values.mean()) < 0.03


def test_standardised_rows():
    rows = experiments.standardised_rows(np.random.default_rng(0).normal(3, 2, (5, 4, 6)))
    np.testing.assert_allclose(rows.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose((rows**2).sum(1), 24, rtol=1e-12)
    with pytest.raises(ValueError, match="example 1 has entries that are all alike"):
        experiments.standardised_rows([[1.0, 2.0], [3.0, 3.0]])
    with pytest.raises(ValueError, match=r"x contains nan at index \(0, 1\)"):
        experiments.standardised_rows([[1.0, np.nan], [3.0, 3.0]])


def test_bad_input():
    with pytest.raises(ValueError, match="power must be one number for each degree"):
        experiments.random_harmonics(3, 1.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="power must be finite and non-negative"):
        experiments.random_harmonics(3, [1.0, -1.0], np.random.default_rng(0))
