"""Hats on a grid, and local polynomials weighed by them."""

import itertools

import numpy as np
import pytest

from nnlimits.approximation.relu_calculus.hats import hat_widths, hats
from nnlimits.approximation.relu_calculus.hats_by_axis import hats_by_axis, hats_by_axis_widths
from nnlimits.approximation.relu_calculus.local_sum import (
    LocalPolynomials,
    local_sum,
    local_sum_error,
    local_sum_widths,
)


def grid(dimension: int, cells: int) -> np.ndarray:
    return np.array(list(itertools.product(range(cells + 1), repeat=dimension)))


def hat_values(u: np.ndarray, cells: int) -> np.ndarray:
    """By the definition of the range."""
    z = u[:, None, :] - grid(u.shape[1], cells)
    z = np.concatenate([np.zeros((*z.shape[:2], 1)), z], axis=2)
    return np.maximum(0, 1 - np.ptp(z, axis=2))


@pytest.mark.parametrize(
    ("dimension", "cells"), [(1, 1), (1, 7), (2, 1), (2, 5), (3, 1), (3, 3), (4, 1), (4, 2), (5, 1)]
)
def test_hats(dimension: int, cells: int) -> None:
    network, nodes = hats(dimension, cells), grid(dimension, cells)
    u = np.random.default_rng(0).uniform(0, cells, (400, dimension))
    values = network(u)
    np.testing.assert_allclose(values[:, : len(nodes)], hat_values(u, cells), atol=1e-14)
    np.testing.assert_allclose(values[:, : len(nodes)].sum(axis=1), 1.0, atol=1e-14)
    assert ((values[:, : len(nodes)] > 1e-13).sum(axis=1) <= dimension + 1).all()
    axes = np.maximum(0, 1 - np.abs(u[:, :, None] - np.arange(cells + 1)))
    np.testing.assert_allclose(values[:, len(nodes) :], axes.reshape(len(u), -1), atol=1e-14)
    np.testing.assert_array_equal(network(nodes.astype(float))[:, : len(nodes)], np.eye(len(nodes)))
    assert network.widths == hat_widths(dimension, cells)


@pytest.mark.parametrize(
    ("dimension", "cells", "order", "outputs", "levels"),
    [
        (1, 1, 1, 1, 2),
        (1, 6, 1, 2, 2),
        (1, 7, 4, 2, 6),
        (1, 1, 3, 1, 4),
        (2, 4, 2, 1, 5),
        (2, 3, 3, 2, 4),
        (3, 2, 2, 1, 5),
    ],
)
def test_sums_of_local_polynomials(dimension: int, cells: int, order: int, outputs: int, levels: int) -> None:
    rng = np.random.default_rng(1)
    shape = (outputs, *(cells + 1,) * dimension, *(order,) * dimension)
    polynomials = LocalPolynomials(rng.standard_normal(shape))
    network = local_sum(polynomials, levels)
    u = rng.uniform(0, cells, (300, dimension))
    nodes, alphas = grid(dimension, cells), np.array(list(itertools.product(range(order), repeat=dimension)))
    terms = np.prod((u[:, None] - nodes)[:, :, None] ** alphas, axis=3)
    coefficients = polynomials.coefficients.reshape(outputs, len(nodes), len(alphas))
    expected = np.einsum("xm,xma,oma->xo", hat_values(u, cells), terms, coefficients)
    assert np.abs(network(u) - expected).max() <= local_sum_error(polynomials, levels) + 1e-12
    assert network.widths == local_sum_widths(dimension, cells, order, outputs, levels)


@pytest.mark.parametrize(("dimension", "cells"), [(2, 3), (3, 2)])
def test_hats_one_axis_after_another(dimension: int, cells: int) -> None:
    """The same functions as those that share their first layer, which they are an independent way to compute."""
    network = hats_by_axis(dimension, cells)
    u = np.random.default_rng(0).uniform(0, cells, (200, dimension))
    np.testing.assert_allclose(network(u), hats(dimension, cells)(u), atol=1e-14)
    assert network.widths == hats_by_axis_widths(dimension, cells)


def test_errors_fall_by_four_a_level() -> None:
    polynomials = LocalPolynomials(np.random.default_rng(2).standard_normal((1, 5, 3)))
    u = np.linspace(0, 4, 4001)[:, None]
    limit = local_sum(polynomials, 22)(u)
    errors = [np.abs(local_sum(polynomials, levels)(u) - limit).max() for levels in (4, 6, 8)]
    # of two products one after another, whose errors add or cancel from place to place; largest ones fall by 16 in two levels
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx(4, abs=0.5)
    assert local_sum_error(polynomials, 7) == pytest.approx(local_sum_error(polynomials, 6) / 4)


def test_the_products_do_not_grow_with_the_grid() -> None:
    fine, coarse = local_sum_widths(2, 20, 3, 1, 6), local_sum_widths(2, 5, 3, 1, 6)
    assert fine[2:] == coarse[2:]


def test_vanishing_coefficients() -> None:
    zero = LocalPolynomials(np.zeros((1, 4, 3)))
    u = np.linspace(0, 3, 50)[:, None]
    np.testing.assert_allclose(local_sum(zero, 3)(u), 0.0, atol=1e-15)


def test_too_many_dimensions() -> None:
    with pytest.raises(ValueError, match="dimension must be at most 6; received 7"):
        hats(7, 2)
