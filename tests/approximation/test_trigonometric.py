"""Trigonometric sums: their kernel, their coefficients, their ridges, their bound."""

import numpy as np
import pytest

from nnlimits.approximation import Box, Target
from nnlimits.approximation.trigonometric import cosine_sum, damping, distance_bound


def evaluated(waves, domain, x):
    t = np.pi * (x - domain.lower) / domain.sides
    total = np.zeros((len(x), waves.coefficients.shape[-1]))
    for index in np.ndindex(*waves.coefficients.shape[:-1]):
        total += waves.coefficients[index] * np.prod(np.cos(np.array(index) * t), axis=1)[:, None]
    return total


@pytest.mark.parametrize("degree", [1, 2, 7, 30])
def test_the_kernel_is_not_negative_and_has_the_largest_first_coefficient(degree) -> None:
    factors = damping(degree)
    t = np.linspace(0, np.pi, 2001)
    kernel = 1 + 2 * np.cos(t[:, None] * np.arange(1, degree + 1)) @ factors[1:]
    assert kernel.min() > -1e-12
    assert np.isclose(factors[0], 1)
    assert np.isclose(factors[1], np.cos(np.pi / (degree + 2)), rtol=1e-13)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_sum_is_the_mean_with_the_kernel(dimension) -> None:
    # against the convolution written out: sum over the full period of samples of the even continuation
    domain, degree = Box(tuple(map(float, range(dimension))), tuple(2.0 * i + 1.5 for i in range(dimension))), 3
    target = Target(lambda x: np.abs(x.sum(1) - domain.centre.sum()), domain)
    x = domain.uniform(np.random.default_rng(0), 5)
    t, nodes = np.pi * (x - domain.lower) / domain.sides, np.pi * (np.arange(2 * degree + 4) + 0.5) / (degree + 2)
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*[nodes] * dimension, indexing="ij")], axis=1)
    folded = domain.lower + domain.sides * np.minimum(grid, 2 * np.pi - grid) / np.pi
    factors = damping(degree)
    angles = t[:, None] - grid
    kernel = np.prod(1 + 2 * np.cos(angles[..., None] * np.arange(1, degree + 1)) @ factors[1:], axis=-1)
    expected = kernel @ target(folded) / len(grid)
    waves = cosine_sum(target, degree)
    assert np.allclose(evaluated(waves, domain, x), expected, rtol=1e-12)
    by_direction = waves.constant + sum(part.values(t @ part.direction) for part in waves.directions())
    assert np.allclose(by_direction, expected, rtol=1e-12)


@pytest.mark.parametrize("degree", [1, 4, 12])
@pytest.mark.parametrize("dimension", [1, 2])
def test_lipschitz_functions_are_within_the_bound(dimension, degree) -> None:
    domain = Box.cube(dimension, -1.0, 2.0)
    for centre in (0.0, 0.5):
        target = Target(lambda x, c=centre: np.linalg.norm(x - c, axis=1), domain, 1.0)
        x = domain.dense(500)
        error = np.abs(evaluated(cosine_sum(target, degree), domain, x) - target(x)).max()
        bound = distance_bound(domain.diameter, degree, 1.0)
        assert error <= bound
        assert error > bound / 20


def test_small_terms_are_left_out_and_accounted_for() -> None:
    domain = Box.cube(2)
    target = Target(lambda x: np.sin(3 * x[:, 0]) + x[:, 1] ** 2, domain)
    waves = cosine_sum(target, 10)
    pruned, dropped = waves.pruned(0.05)
    x = domain.dense(200)
    assert dropped <= 0.05
    assert np.abs(evaluated(waves, domain, x) - evaluated(pruned, domain, x)).max() <= dropped
    assert len(pruned.directions()) < len(waves.directions()) / 2


def test_bounds_of_the_ridges() -> None:
    waves = cosine_sum(Target(lambda x: np.exp(x[:, 0] - x[:, 1]), Box.cube(2)), 5)
    for part in waves.directions():
        u = np.linspace(*part.interval, 4001)
        y, h = part.values(u)[:, 0], u[1] - u[0]
        assert np.abs(y).max() <= part.size * (1 + 1e-12)
        assert np.abs(np.diff(y)).max() / h <= part.lipschitz * (1 + 1e-9)
        assert np.abs(np.diff(y, 2)).max() / h**2 <= part.curvature * (1 + 1e-4)
