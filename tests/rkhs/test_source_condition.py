"""Exponents of synthetic spectra that are known, and what they promise for learning curves."""

import numpy as np
import pytest

from nnlimits import rkhs

INDEX = np.arange(1.0, 20_001)


@pytest.mark.parametrize(("capacity", "source"), [(1.5, 0.3), (2.0, 0.5), (3.0, 1.2)])
def test_known_exponents(capacity, source):
    """Coefficients `i^-(1/2 + capacity source)` without noise: what is left after i is `i^(-2 capacity source)`."""
    coefficients = INDEX ** -(0.5 + capacity * source)
    beyond = INDEX[-1] ** (-2 * capacity * source) / (2 * capacity * source)
    found = rkhs.source_condition(INDEX**-capacity, coefficients, remaining=beyond)
    assert found.capacity.value == pytest.approx(capacity, rel=1e-6)
    assert found.source.value == pytest.approx(source, rel=0.01)
    assert found.noiseless_rate == pytest.approx(2 * capacity * min(source, 1), rel=0.01)


def test_random_coefficients_and_noise():
    """With random signs and sizes, and noise on the targets of which the level is known, within 10 %, by 20 draws."""
    generator, capacity, source = np.random.default_rng(0), 2.0, 0.4
    values, found = INDEX**-capacity, []
    for _ in range(20):
        coefficients = INDEX ** -(0.5 + capacity * source) * generator.standard_normal(len(INDEX))
        noisy = coefficients + 1e-4 * generator.standard_normal(len(INDEX))
        found.append(rkhs.source_condition(values, noisy, last=300, noise=1e-8).source)
    assert np.mean([one.value for one in found]) == pytest.approx(source, rel=0.1)
    assert all(one.low < one.value < one.high for one in found)


@pytest.mark.parametrize("source", [0.4, 1.5])
def test_learning_curve_falls_as_promised(source):
    """`2 capacity min(source, 1)` without noise (Cui et al. 2021): slopes of the predicted curve from n = 250 to 1000."""
    capacity = 1.7
    index = np.arange(1.0, 200_001)
    power = index ** -(1 + 2 * capacity * source)
    curve = rkhs.learning_curve(index**-capacity, power, [250, 1000])
    slope = -np.log(curve.test[1] / curve.test[0]) / np.log(4)
    assert slope == pytest.approx(2 * capacity * min(source, 1), rel=0.04)


def test_bad_input():
    values = INDEX[:50] ** -2
    with pytest.raises(ValueError, match="positive and descend"):
        rkhs.source_condition(values[::-1], values)
    with pytest.raises(ValueError, match="at least 4 apart, between 1 and the 50 eigenvalues; received 10 and 12"):
        rkhs.source_condition(values, values, last=12)
    with pytest.raises(ValueError, match=r"nothing of the target is left beyond noise after \d+ eigenfunctions"):
        rkhs.source_condition(values, values, noise=1e-3)
    with pytest.raises(ValueError, match=r"received \(50,\) and \(3,\)"):
        rkhs.source_condition(values, values[:3])
    with pytest.raises(ValueError, match="eigenvalues 10 to 50 are all equal, and have no exponent"):
        rkhs.source_condition(np.ones(50), values)
    with pytest.raises(ValueError, match="first must be an integer, at least 1; received 0"):
        rkhs.source_condition(values, values, first=0)
    with pytest.raises(ValueError, match="noise must be finite and non-negative"):
        rkhs.source_condition(values, values, noise=-1e-9)
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        rkhs.source_condition(values, values, confidence=2)
