"""Greedy algorithms and the proofs of what they reach."""

import numpy as np
import pytest

from nnlimits import nn
from nnlimits.approximation import Box, Target
from nnlimits.approximation.barron.cells import cell_bounds
from nnlimits.approximation.barron.greedy import greedy
from nnlimits.approximation.barron.ridge_units import RidgeUnits, evaluated, to_cube
from nnlimits.approximation.barron.upper_confidence import upper_confidence

SIZES = (1, 4, 16, 32)


PAIRS = [
    (nn.Step(), "orthogonal"),
    (nn.Relu(), "relaxed"),
    pytest.param(nn.Step(), "relaxed", marks=pytest.mark.slow),
    pytest.param(nn.Relu(), "orthogonal", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("activation", "algorithm"), PAIRS)
def test_rates_hold_for_sums_of_units(activation, algorithm):
    """A sum of 500 units in two dimensions, whose weights have absolute sum V = 1, and a linear function in its place for ReLU:
    after every step the residual is at most V / (2 sqrt(N)), and every step brings what the theorem needs."""
    rng, dictionary = np.random.default_rng(3), RidgeUnits(activation)
    z = rng.uniform(-1, 1, (2048, 2))
    weights = rng.standard_normal(500)
    y = evaluated(dictionary, dictionary.drawn(rng, z, 500, z[:0]), z) @ (weights / np.abs(weights).sum())
    y = y + (z @ [3.0, -4.0]) * dictionary.degree
    path = greedy(dictionary, z, y, SIZES, variation=1.0, algorithm=algorithm)
    counts = np.arange(1, 33)
    assert (path.residuals[1:] <= 1 / (2 * np.sqrt(counts))).all()
    assert (path.residuals[1:] <= 1 / np.sqrt(1 / path.residuals[0] ** 2 + 4 * counts)).all()
    assert (np.diff(path.residuals) <= 0).all()
    assert path.sufficient.all()
    _, basis = dictionary.polynomial_basis(z)
    values = np.concatenate([basis, evaluated(dictionary, path.units, z)], axis=1)
    for size, coefficients in zip(path.sizes, path.coefficients, strict=True):
        residual = y - values[:, : len(coefficients)] @ coefficients
        assert np.sqrt(np.mean(residual**2)) == pytest.approx(path.residuals[size], rel=1e-8)
        if algorithm == "relaxed":
            assert np.abs(coefficients[basis.shape[1] :]).sum() <= 1 + 1e-12


def test_exact_functions_end_early():
    """A single step is found in one dimension, where 4,096 points are as many thresholds: nothing is left after few units."""
    z = Box.cube(1, -1.0, 1.0).dense(512)[:512]
    y = np.where(z[:, 0] > 0.3, 2.0, 1.0)
    path = greedy(RidgeUnits(nn.Step()), z, y, (20,), variation=1.0)
    assert path.sizes[-1] < 20
    assert path.residuals[-1] < 1e-12


def test_cells_bound_the_distance_from_above():
    """Against 100,000 points; finer than a percent in one dimension, for a function with a Lipschitz constant."""
    rng, dictionary = np.random.default_rng(0), RidgeUnits(nn.Relu())
    domain = Box((1.0,), (3.0,))
    target = Target(lambda x: np.sin(3 * x[:, 0]), domain, 3.0)
    z = rng.uniform(-1, 1, (100_000, 1))
    path = greedy(dictionary, z[:512], np.sin(3 * (2 + z[:512, 0])), (6,), variation=5.0)
    both = type(path.units)(*(np.concatenate(pair) for pair in zip(path.polynomials, path.units, strict=True)))
    found = cell_bounds(target, -1.0, 1.0, dictionary, both, path.coefficients[-1])
    network = path.coefficients[-1][0] + evaluated(dictionary, both, z) @ path.coefficients[-1][1:]
    difference = np.abs(np.sin(3 * (2 + z[:, 0])) - network)
    assert difference.max() <= found.sup < 1.01 * difference.max()
    mean = np.sqrt(np.mean(difference**2))
    assert 0.99 * mean <= found.l2 < 1.02 * mean
    assert to_cube(domain, np.array([[3.0]])) == 1


def test_upper_confidence_is_above_the_truth_and_near_it():
    """E (x - 1/2)^2 = 1/12; the empirical Bernstein bound of 65,536 points is within 4 % of its root."""
    target = Target(lambda x: x[:, 0], Box.cube(2))
    found = upper_confidence(target, lambda x: np.full((len(x), 1), 0.5), 0.5, 0.5)
    assert np.sqrt(1 / 12) < found.bound < 1.04 * np.sqrt(1 / 12)
    assert found.points == 2**16
