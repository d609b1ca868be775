"""Squares, products, powers and polynomials: errors against their bounds, rates by depth, exact sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import polynomial as powers

from nnlimits.approximation.relu_calculus import (
    monomial,
    monomial_error,
    monomials,
    polynomial,
    polynomial_error,
    product,
    product_error,
    square,
    square_error,
)
from nnlimits.approximation.relu_calculus.monomial import monomials_widths
from nnlimits.approximation.relu_calculus.product import product_widths
from nnlimits.rates import fitted_rate


@pytest.mark.parametrize("levels", [1, 2, 5, 10])
def test_the_square(levels: int) -> None:
    network = square(levels)
    knots = np.arange(2**levels + 1) / 2**levels
    np.testing.assert_array_equal(network(knots[:, None])[:, 0], knots**2)  # dyadic numbers, exact
    middles = (knots[1:] + knots[:-1]) / 2
    errors = network(middles[:, None])[:, 0] - middles**2
    np.testing.assert_array_equal(errors, square_error(levels))  # the constant 4^-(L+1), reached in every interval
    x = np.random.default_rng(0).random((4000, 1))
    errors = network(x) - x**2
    assert errors.min() >= -1e-16
    assert errors.max() <= square_error(levels) + 1e-16
    assert network.depth == levels
    assert network.width == (3 if levels > 1 else 2)
    assert network.units == 3 * levels - 1
    assert network.weights == 8 * levels - 3


def test_the_square_converges_by_depth() -> None:
    """Errors fall by 4 for each layer: a slope of -log 4 against the depth, with no noise on dyadic points."""
    depths = np.arange(1, 13)
    x = np.arange(2**13 + 1)[:, None] / 2**13
    errors = np.array([np.abs(square(depth)(x) - x**2).max() for depth in depths.tolist()])
    rate = fitted_rate(np.exp(depths.astype(float)), errors[:, None])
    assert rate.slope == pytest.approx(-np.log(4), abs=1e-6)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 999), levels=st.integers(1, 8), a=st.floats(0.01, 100), b=st.floats(0.01, 100))
def test_the_product(seed: int, levels: int, a: float, b: float) -> None:
    network = product(levels, a, b)
    xy = np.random.default_rng(seed).uniform(-1, 1, (500, 2)) * [a, b]
    values = network(xy)[:, 0]
    rounding = 1e-14 * a * b
    assert np.abs(values - xy.prod(axis=1)).max() <= product_error(levels, a, b) + rounding
    assert np.abs(values).max() <= a * b + rounding
    # exact where one factor is zero or as large as may be
    for end in (0.0, -1.0, 1.0):
        for column, size in ((0, a), (1, b)):
            edge = xy.copy()
            edge[:, column] = end * size
            np.testing.assert_allclose(network(edge)[:, 0], edge.prod(axis=1), atol=rounding)
    assert network.depth == levels + 1
    assert network.width == (6 if levels > 1 else 4)
    assert network.units == 6 * levels + 2
    assert network.weights == 16 * levels + 6
    assert network.widths == product_widths(levels)


def test_the_bound_of_the_product_is_reached() -> None:
    x, y = np.meshgrid(*[np.linspace(-1, 1, 129)] * 2)
    xy = np.stack([x.ravel(), y.ravel()], axis=1)
    for levels in (1, 3, 5):
        error = np.abs(product(levels)(xy)[:, 0] - xy.prod(axis=1)).max()
        assert error == pytest.approx(product_error(levels), rel=1e-12)


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("levels", [2, 6])
def test_powers(degree: int, levels: int) -> None:
    network = monomials(degree, levels)
    x = np.linspace(-1, 1, 2001)[:, None]
    errors = np.abs(network(x) - x ** np.arange(1, degree + 1)).max(axis=0)
    bounds = np.array([monomial_error(power, levels) for power in range(1, degree + 1)])
    assert (errors <= bounds + 1e-15).all()
    assert np.abs(network(x)).max() <= 1 + 1e-15
    ends = np.array([[-1.0], [0.0], [1.0]])
    np.testing.assert_allclose(network(ends), ends ** np.arange(1, degree + 1), atol=1e-15)
    assert network.depth == int(np.ceil(np.log2(degree))) * (levels + 1)
    assert network.widths == monomials_widths(degree, levels)
    last = monomial(degree, levels)
    np.testing.assert_array_equal(last(x)[:, 0], network(x)[:, -1])


@settings(deadline=None, max_examples=20)
@given(
    coefficients=st.lists(st.floats(-3, 3), min_size=1, max_size=6),
    low=st.floats(-2, 2),
    length=st.floats(0.1, 3),
    levels=st.integers(1, 7),
)
def test_polynomials(coefficients: list[float], low: float, length: float, levels: int) -> None:
    ends = {"lower": low, "upper": low + length}
    network = polynomial(coefficients, levels, **ends)
    x = np.linspace(low, low + length, 301)
    values = powers.polyval(x, coefficients)
    # |x| is up to 5, so terms are as large as 3 * 5^5 = 9375 and lose as many units in the last place
    rounding = 1e-15 * (1 + powers.polyval(5.0, np.abs(coefficients)))
    errors = np.abs(network(x[:, None])[:, 0] - values)
    assert errors.max() <= polynomial_error(coefficients, levels, **ends) + 100 * rounding
    assert errors[[0, 150, -1]].max() <= 100 * rounding


def test_polynomials_converge_by_depth() -> None:
    coefficients = [1.0, -2.0, 0.5, 3.0, -1.0]
    x = np.linspace(-1, 1, 4097)[:, None]
    levels = np.arange(2, 11)
    errors = [
        np.abs(polynomial(coefficients, n)(x)[:, 0] - powers.polyval(x[:, 0], coefficients)).max()
        for n in levels.tolist()
    ]
    rate = fitted_rate(np.exp(levels.astype(float)), np.array(errors)[:, None])
    # a sum of four errors, each of which falls by 4 a level; where they peak moves, hence not to all digits
    assert rate.slope == pytest.approx(-np.log(4), abs=0.05)


def test_lines_have_no_hidden_layer() -> None:
    assert polynomial([1.0, 2.0], 5).depth == 0
    assert polynomial([1.0, 2.0, 0.0], 5).depth == 0
    assert polynomial([0.0], 5).weights == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: square(0), "levels must be an integer, at least 1"),
        (lambda: product(3, 0.0), "first_bound must be finite and positive"),
        (lambda: product(3, 1.0, np.nan), "second_bound must be finite and positive"),
        (lambda: monomials(0, 3), "degree must be an integer, at least 1"),
        (lambda: polynomial([], 3), "one number or more"),
        (lambda: polynomial([1.0, np.nan], 3), "coefficients contains nan at index 1"),
        (lambda: polynomial([1.0], 3, lower=1.0, upper=0.0), "lower must be below upper"),
    ],
)
def test_errors(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
