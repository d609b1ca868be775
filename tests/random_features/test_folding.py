"""Folded Hadamard transforms against the inner products and the Gaussian units that they stand for."""

import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits.random_features.draws import Draws
from nnlimits.random_features.folding import folded, folded_columns, folded_sketch, folded_units

RUNS = 200


class Fresh(Draws):
    """Draws at once, of one generator."""

    def __init__(self, seed):
        self.generator = np.random.default_rng(seed)

    def take(self, draw):
        return jnp.asarray(draw.law(self.generator, draw.shape), draw.dtype)


@pytest.fixture(scope="module")
def vectors():
    generator = np.random.default_rng(1)
    first, noise = generator.standard_normal((2, 37)).astype(np.float32)
    return jnp.asarray(np.stack([first, first + noise]))


def test_one_stretch_is_an_isometry(vectors):
    """37 features, padded to 64: no row is left out, so only rounding differs."""
    found = np.asarray(folded(vectors, 40, Fresh(0)))
    assert found.shape == (2, 64)
    np.testing.assert_allclose(found @ found.T / 64, vectors @ vectors.T, rtol=1e-5)


def test_stretches_are_added_up_with_signs_of_their_own(vectors):
    """Means within four standard errors; the variance is at most that of as many independent Gaussian projections, of which 200
    runs know it to some 10%, and heavier tails to less: 30% are allowed.
    """
    exact = float(vectors[0] @ vectors[1])
    products = []
    draws = Fresh(0)
    for _ in range(RUNS):
        one = np.asarray(folded_sketch(vectors, 7, draws), np.float64)
        products.append(one[0] @ one[1])
    products = np.array(products)
    assert abs(products.mean() - exact) < 4 * products.std() / RUNS**0.5
    bound = float((vectors[0] @ vectors[0]) * (vectors[1] @ vectors[1]) + exact**2) / 7
    assert products.var() < 1.3 * bound


@pytest.mark.parametrize("case", ["one coordinate", "inputs and many small ones"])
def test_units_are_gaussian_whatever_the_features(case):
    """Second moments and covariances, and the fourth moment 3 that a single transform misses (1 for one coordinate, 2.5 for the
    other case). 20 runs of 512 units: errors of sqrt(2 / 10,240), and sqrt(96 / 10,240) of the fourth, and a bias of order 1/512.
    """
    x = np.zeros((2, 900), np.float32)
    x[:, 0] = 1, 0.6
    x[1, 1] = 0.8
    if case != "one coordinate":
        x[:, 2:] = np.random.default_rng(0).standard_normal(898) / np.sqrt(898)
    draws = Fresh(0)
    units = np.concatenate(
        [np.asarray(folded_units(jnp.asarray(x), 512, draws), np.float64) for _ in range(20)], axis=1
    )
    exact = x @ x.T
    scale = exact[0, 0]
    np.testing.assert_allclose(units @ units.T / units.shape[1], exact, atol=4 * scale * np.sqrt(2 / 10_240))
    fourth = (units[0] ** 4).mean() / scale**2
    assert abs(fourth - 3) < 4 * np.sqrt(96 / 10_240) + 3 / 512


def test_rows_of_units_have_the_length_that_is_stated():
    """A basis of the features gives the rows themselves."""
    rows = np.asarray(folded_units(jnp.eye(100, dtype=jnp.float32), 60, Fresh(0))).T
    assert folded_columns(100, 60) == 128
    # of 128 columns, 28 are of the padding
    assert (rows**2).sum(1).mean() == pytest.approx(100, rel=0.02)
