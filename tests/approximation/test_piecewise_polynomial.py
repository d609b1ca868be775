"""Piecewise polynomials: in the sup norm where they are continuous, in L^p where they jump."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import Polynomial

from nnlimits.approximation.piecewise_polynomial import PiecewisePolynomial
from nnlimits.approximation.piecewise_polynomial_network import approximate_piecewise_polynomial
from nnlimits.rates import fitted_rate

CONTINUOUS = PiecewisePolynomial([-1, 0, 1, 2], [[0, 1, 1], [0, 1, -2, 1], [1, -1]])
JUMPS = PiecewisePolynomial([-1, 0, 1, 2], [[0, 1, 1], [1, 1, -2, 1], [0, -1]])


def spline(seed: int, pieces: int, degree: int) -> PiecewisePolynomial:
    """A random continuous one: each piece is shifted to start where the one before ends."""
    rng = np.random.default_rng(seed)
    ends, value, coefficients = np.cumsum(rng.uniform(0.2, 1, pieces + 1)) - 1, 0.0, []
    for low, high in itertools.pairwise(ends):
        piece = Polynomial(rng.standard_normal(degree + 1))
        piece += value - piece(low)
        value = piece(high)
        coefficients.append(piece.coef)
    return PiecewisePolynomial(ends, coefficients)


def test_values_and_jumps() -> None:
    x = np.array([[-0.5], [0.0], [0.5], [1.0], [1.5]])
    np.testing.assert_allclose(JUMPS(x), [-0.25, 1.0, 1.125, -1.0, -1.5])
    np.testing.assert_allclose(JUMPS.jumps, [1.0, -2.0])
    assert CONTINUOUS.is_continuous
    assert not JUMPS.is_continuous
    assert JUMPS.domain.lower == (-1.0,)


@settings(deadline=None, max_examples=6)
@given(seed=st.integers(0, 999), pieces=st.integers(1, 5), degree=st.integers(0, 5), levels=st.integers(1, 6))
def test_continuous_ones(seed: int, pieces: int, degree: int, levels: int) -> None:
    f = spline(seed, pieces, degree)
    assert f.is_continuous
    found = approximate_piecewise_polynomial(f, levels=levels)
    assert found.certificate.norm == "sup"
    assert found.certificate.rigorous
    assert found.holds


@pytest.mark.parametrize("p", [1.0, 2.0, 5.0])
def test_ones_that_jump(p: float) -> None:
    found = approximate_piecewise_polynomial(JUMPS, tolerance=1e-2, p=p)
    assert (found.certificate.norm, found.certificate.p) == ("Lp", p)
    assert found.certificate.bound <= 1e-2 * (1 + 1e-12)
    assert found.holds
    # integrated anew, by Gauss's rule on the ramps and outside of them
    ramp, nodes = found.certificate.constants["ramp"], np.polynomial.legendre.leggauss(60)
    ends = np.array([-1, -ramp / 2, 0, ramp / 2, 1 - ramp / 2, 1, 1 + ramp / 2, 2])
    total = 0.0
    for low, high in itertools.pairwise(ends):
        x = (low + high) / 2 + (high - low) / 2 * nodes[0]
        apart = np.abs(np.asarray(found(x[:, None]))[:, 0] - JUMPS(x[:, None]))
        total += (high - low) / 2 * float(nodes[1] @ apart**p)
    error = (total / 3) ** (1 / p)
    assert error <= found.certificate.bound
    assert error >= 0.8 * found.certificate.constants["steps"]


def test_ramps_in_a_small_part_of_the_domain_are_measured() -> None:
    # 1e-4 of the domain, in which a set of 2^15 points of it would have one or two; the error is that of the ramp alone
    steps = PiecewisePolynomial([-3, 0, 5], [[1.0], [-2.0]])
    found = approximate_piecewise_polynomial(steps, tolerance=1e-3, p=1.5)
    assert found.certificate.constants["ramp"] < 1e-3
    # up to 2^-8 of the steps, which are left for rounding, and quadrature by points on the ramp
    assert found.certificate.bound * 0.995 <= found.measured <= found.certificate.bound


def test_steps_of_exact_pieces_are_as_steep_as_rounding_allows() -> None:
    steps = PiecewisePolynomial([-3, 0, 5], [[1.0, 2.0], [-2.0]])
    found = approximate_piecewise_polynomial(steps, levels=3, p=2.0)
    assert found.certificate.constants["polynomials"] == 0
    assert found.certificate.bound < 2e-6
    assert found.measured == pytest.approx(found.certificate.constants["steps"], rel=0.01)


def test_errors_by_levels() -> None:
    levels = np.arange(2, 9)
    errors = [approximate_piecewise_polynomial(CONTINUOUS, levels=n).error.sup for n in levels.tolist()]
    rate = fitted_rate(np.exp(levels.astype(float)), np.array(errors)[:, None])
    # errors of several powers add, at points that move with the level; and the peaks fall between points of the dense set
    assert rate.slope == pytest.approx(-np.log(4), abs=0.1)


def test_a_tolerance_is_reached_with_few_levels() -> None:
    found = approximate_piecewise_polynomial(CONTINUOUS, (-1, 2), tolerance=1e-6)
    assert 1e-7 < found.certificate.bound <= 1e-6
    widths = [len(part["bias"]) for part in found.params if part][:-1]
    assert len(widths) < 40
    assert max(widths) < 40


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: approximate_piecewise_polynomial(JUMPS, tolerance=0.1),
            "none is closer than 1 in the sup norm; give p",
        ),
        (lambda: approximate_piecewise_polynomial(JUMPS, tolerance=0.1, p=0.5), "p must be at least 1"),
        (lambda: approximate_piecewise_polynomial(CONTINUOUS, tolerance=0.1, p=2.0), "f is continuous"),
        (lambda: approximate_piecewise_polynomial(CONTINUOUS, tolerance=1e-15), "about .* is achievable"),
        (lambda: approximate_piecewise_polynomial(JUMPS, tolerance=1e-8, p=2.0), "narrowest that float64 resolves"),
        (lambda: approximate_piecewise_polynomial(JUMPS, tolerance=0.1, p=2000.0), "narrowest that float64 resolves"),
        (lambda: approximate_piecewise_polynomial(CONTINUOUS), "either tolerance"),
        (lambda: approximate_piecewise_polynomial(CONTINUOUS, (0, 1), tolerance=0.1), "domain must be that of f"),
        (lambda: approximate_piecewise_polynomial(CONTINUOUS, levels=0), "levels must be an integer, at least 1"),
        (lambda: PiecewisePolynomial([0, 1], [[1.0], [2.0]]), "one more than pieces"),
        (lambda: PiecewisePolynomial([0, 0], [[1.0]]), "must ascend"),
        (lambda: PiecewisePolynomial([0, np.inf], [[1.0]]), "breakpoints contains inf"),
        (lambda: PiecewisePolynomial([0, 1], [[np.nan]]), "coefficients contains nan"),
    ],
)
def test_refusals(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_other_functions_are_refused() -> None:
    with pytest.raises(TypeError, match="f must be a PiecewisePolynomial; received function"):
        approximate_piecewise_polynomial(lambda x: jnp.abs(x[:, 0]), tolerance=0.1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"a list of numbers for each piece, such as .* received \[0, 1\] and 3"):
        PiecewisePolynomial([0, 1], 3)
