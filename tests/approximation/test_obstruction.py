"""Distances from polynomials, against known best approximations."""

import numpy as np
import pytest

from nnlimits.approximation import Box, Target, distance_from_polynomials


@pytest.mark.parametrize("degree", [0, 1, 2, 4])
def test_a_monomial_of_the_next_degree(degree) -> None:
    # the distance of x^(n + 1) from the polynomials of degree n on [-1, 1] is 2^-n (Chebyshev)
    target = Target(lambda x: x[:, 0] ** (degree + 1), Box((-1.0,), (1.0,)))
    proof = distance_from_polynomials(target, degree)
    # the grid of 600 points misses extreme points by 1/600, which costs (n + 1)^2 / 600^2 at most
    assert 2.0**-degree * (1 - 1e-3) < proof.distance <= 2.0**-degree * (1 + 1e-12)
    assert len(proof.points) == degree + 2


def test_the_absolute_value() -> None:
    # the best line is the constant 1/2; the best parabola x^2 + 1/8
    target = Target(lambda x: np.abs(x[:, 0]), Box((-1.0,), (1.0,)))
    assert np.isclose(distance_from_polynomials(target, 1).distance, 0.5, rtol=1e-2)
    assert np.isclose(distance_from_polynomials(target, 2).distance, 0.125, rtol=1e-2)


def test_two_variables() -> None:
    # x y on the square is 1 away from the polynomials of degree 1: signs alternate around the corners
    target = Target(lambda x: x[:, 0] * x[:, 1], Box.cube(2, -1.0, 1.0))
    proof = distance_from_polynomials(target, 1)
    assert np.isclose(proof.distance, 1, rtol=1e-9)


@pytest.mark.parametrize(("dimension", "degree"), [(1, 3), (2, 3), (3, 2)])
def test_the_measure_annihilates_polynomials_and_bounds_their_distance(dimension, degree) -> None:
    target = Target(lambda x: np.sin(3 * x.sum(1)), Box.cube(dimension))
    proof = distance_from_polynomials(target, degree)
    assert np.isclose(np.abs(proof.weights).sum(), 1)
    rng = np.random.default_rng(0)
    for _ in range(5):
        directions = rng.standard_normal((dimension, 4))
        values = ((proof.points @ directions + rng.standard_normal(4)) ** degree) @ rng.standard_normal(4)
        assert abs(proof.weights @ values) < 1e-12 * np.abs(values).max()
    assert np.isclose(proof.weights @ target(proof.points)[:, 0], proof.distance, rtol=1e-9)
    # no polynomial is closer on a dense grid, that of least squares among them
    points = target.domain.dense(2000)
    features = np.stack(
        [np.prod(points**p, axis=1) for p in np.ndindex(*[degree + 1] * dimension) if sum(p) <= degree], axis=1
    )
    values = target(points)[:, 0]
    coefficients, *_ = np.linalg.lstsq(features, values, rcond=None)
    assert np.abs(values - features @ coefficients).max() >= proof.distance


def test_a_polynomial_is_no_distance_away() -> None:
    assert distance_from_polynomials(Target(lambda x: x[:, 0] ** 2, Box.cube(1)), 2).distance == 0
