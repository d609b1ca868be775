"""Spherical harmonics: how many there are, and their zonal polynomials."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import eval_gegenbauer

from nnlimits import rkhs
from nnlimits.rkhs.quadrature import angular_rule


def test_multiplicities():
    np.testing.assert_array_equal(rkhs.multiplicities(2, 3), [1, 2, 2, 2])
    np.testing.assert_array_equal(rkhs.multiplicities(3, 4), [1, 3, 5, 7, 9])
    np.testing.assert_array_equal(rkhs.multiplicities(4, 3), [1, 4, 9, 16])
    # restricted to the sphere, polynomials up to degree k have this dimension
    assert rkhs.multiplicities(11, 6).sum() == math.comb(16, 10) + math.comb(15, 10)


@pytest.mark.parametrize("d", [3, 4, 30])
def test_values_are_those_of_scipy(d):
    t = np.linspace(-1, 1, 41)
    numbers = rkhs.multiplicities(d, 8)
    for k, row in enumerate(rkhs.orthonormal_polynomials(d, 8, t)):
        expected = eval_gegenbauer(k, d / 2 - 1, t) / eval_gegenbauer(k, d / 2 - 1, 1.0)
        np.testing.assert_allclose(row, np.sqrt(numbers[k]) * expected, rtol=1e-11, atol=1e-12 * numbers[k])


@settings(max_examples=15, deadline=None)
@given(d=st.integers(2, 3000), degrees=st.integers(0, 40))
def test_orthonormal_in_any_dimension(d, degrees):
    rule = angular_rule(d, 2 * degrees, 24)
    values = rkhs.orthonormal_polynomials(d, degrees, rule.cosine)
    np.testing.assert_allclose((values * rule.weights) @ values.T, np.eye(degrees + 1), atol=1e-11)


def test_high_degrees():
    """Chebyshev's and Legendre's polynomials of degree 400, by their definition and by SciPy."""
    angle = np.linspace(0, np.pi, 101)
    values = rkhs.orthonormal_polynomials(2, 400, np.cos(angle))[400]
    np.testing.assert_allclose(values, math.sqrt(2) * np.cos(400 * angle), atol=1e-10)
    values = rkhs.orthonormal_polynomials(3, 400, np.cos(angle))[400]
    np.testing.assert_allclose(values, math.sqrt(801) * eval_gegenbauer(400, 0.5, np.cos(angle)), atol=1e-10)


def test_bad_input():
    with pytest.raises(ValueError, match="dimension must be an integer, at least 2; received 1"):
        rkhs.multiplicities(1, 3)
    with pytest.raises(ValueError, match="the number of harmonics of degree 161 is beyond float64; give at most 160"):
        rkhs.multiplicities(5000, 300)
    with pytest.raises(ValueError, match="degrees must be an integer, at least 0"):
        rkhs.multiplicities(3, -1)
