"""Sketches of features against the inner products of what they sketch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import hadamard

from nnlimits import nn
from nnlimits.random_features.draws import Draws, Reader, Recorder, drawn
from nnlimits.random_features.random_matrices import (
    gaussian_rows,
    orthogonal_rows,
    spherical_mean_ratio,
    spherical_rows,
)
from nnlimits.random_features.srht import srht, walsh_hadamard
from nnlimits.random_features.tensor_sketch import tensor_sketch
from nnlimits.random_features.views import Patches, SideBySide

RUNS = 256


class Fresh(Draws):
    """Draws at once, of one generator."""

    def __init__(self, seed):
        self.generator = np.random.default_rng(seed)

    def take(self, draw):
        return jnp.asarray(draw.law(self.generator, draw.shape), draw.dtype)


def products(sketch, first, second, seed=0):
    """Inner products of the sketches of two arrays, over many draws, compiled once."""
    both, recorder = jnp.stack([first, second]), Recorder()
    sketch(both, recorder)
    draws = [drawn(jax.random.key(seed + run), recorder.asked) for run in range(RUNS)]
    stacked = jax.tree.map(lambda *one: jnp.stack(one), *draws)
    found = jax.jit(jax.vmap(lambda one: sketch(both, Reader(one, both.dtype))))(stacked)
    return np.asarray(found[:, 0] * found[:, 1], np.float64).sum(-1)


def check(found, exact, variance):
    """The mean within four standard errors, and a variance of at most the bound: over 256 runs it errs by 9%, more with heavy
    tails: 25% are allowed.
    """
    assert (abs(found.mean(0) - exact) < 4 * found.std(0) / np.sqrt(RUNS)).all()
    assert (found.var(0) < 1.25 * variance).all()


@pytest.fixture(scope="module")
def vectors():
    generator = np.random.default_rng(1)
    first, noise = generator.standard_normal((2, 24)).astype(np.float32)
    return jnp.asarray(first), jnp.asarray(first + noise)


def test_walsh_hadamard_is_the_matrix_of_sylvester():
    x = jnp.asarray(np.random.default_rng(0).standard_normal((3, 32)), jnp.float32)
    np.testing.assert_allclose(walsh_hadamard(x), x @ hadamard(32).T, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="power of two features; received 12"):
        walsh_hadamard(x[:, :12])


def test_hadamard_sketch_keeps_inner_products(vectors):
    first, second = vectors
    exact, size, width = first @ second, 32, 8
    bound = ((first @ first) * (second @ second) + exact**2) / width * (1 - (width - 1) / (size - 1))
    check(products(lambda x, draws: srht(x, width, draws), first, second), exact, bound)


def test_hadamard_sketch_of_all_rows_is_exact(vectors):
    first, second = vectors
    found = np.asarray(srht(jnp.stack([first, second]), 32, Fresh(0)))
    np.testing.assert_allclose(found[0] @ found[1], first @ second, rtol=1e-5)


def test_tensor_sketch_keeps_products_of_inner_products(vectors):
    """Against the exact tensor product, with the variance bound `(2 + 3^2) |x|^2 |x'|^2 / width` of Avron et al. 2014."""
    first, second = vectors
    tensors = [np.outer(v[:16], v[16:]).ravel() for v in (first, second)]
    bound = 11 * (tensors[0] @ tensors[0]) * (tensors[1] @ tensors[1]) / 32
    found = products(lambda x, draws: tensor_sketch(x[:, :16], x[:, 16:], 32, draws), first, second)
    check(found, tensors[0] @ tensors[1], bound)


@pytest.mark.parametrize("padding", ["same", pytest.param("circular", marks=pytest.mark.slow)])
def test_sketch_of_patches_keeps_inner_products(padding):
    """Sketches are sums over taps, which are independent but for a common transform: at most three times the variance of one
    sketch of all.
    """
    x = np.random.default_rng(2).standard_normal((2, 5, 6, 3)).astype(np.float32)
    x[1] += x[0]
    view = Patches(nn.Conv(1, 3, padding=padding).windows(x.shape[1:]))
    whole = np.asarray(view.whole(jnp.asarray(x)))
    exact = (whole[0] * whole[1]).sum(-1)
    bound = 3 * ((whole[0] ** 2).sum(-1) * (whole[1] ** 2).sum(-1) + exact**2) / 8
    found = products(lambda both, draws: view.sketched(both, 8, draws), x[0], x[1])
    assert (abs(found.mean(0) - exact) < 5 * found.std(0) / np.sqrt(RUNS)).all()  # at 30 positions
    assert (found.var(0) < 1.4 * bound).all()


def test_patches_are_those_of_a_convolution():
    x = jnp.asarray(np.random.default_rng(2).standard_normal((2, 7, 6, 3)), jnp.float32)
    layer = nn.Conv(4, (3, 2), (2, 1), dilation=(1, 2), b_std=None)
    weight = np.random.default_rng(3).standard_normal((3, 2, 3, 4)).astype(np.float32)
    seen = Patches(layer.windows(x.shape[1:])).whole(x)
    np.testing.assert_allclose(seen @ weight.reshape(-1, 4), layer.linear(jnp.asarray(weight), x), rtol=1e-4, atol=1e-4)


def test_positions_side_by_side_keep_the_other_axes():
    x = jnp.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    seen = SideBySide((0,)).whole(x)
    np.testing.assert_array_equal(seen, np.moveaxis(np.asarray(x), 1, 2).reshape(2, 4, 15))
    assert SideBySide((0, 1)).columns(x) == 60


def test_orthogonal_rows_are_orthonormal_in_blocks():
    rows = orthogonal_rows(np.random.default_rng(0), (10, 6))
    np.testing.assert_allclose(rows[:6] @ rows[:6].T, np.eye(6), atol=1e-6)
    np.testing.assert_allclose(rows[6:] @ rows[6:].T, np.eye(4), atol=1e-6)


def test_single_rows_are_gaussian():
    """Second and fourth moments of 6,000 entries, those of one column: within four standard errors, sqrt(2/n) and sqrt(96/n)."""
    entries = gaussian_rows(np.random.default_rng(0), (6_000, 3))[:, 0].astype(np.float64)
    assert abs((entries**2).mean() - 1) < 4 * np.sqrt(2 / 6_000)
    assert abs((entries**4).mean() - 3) < 4 * np.sqrt(96 / 6_000)


def test_means_at_spherical_rows():
    """The mean of `|u|` at spherical over that at Gaussian rows: 6,000 of them err by sqrt(1/6,000) at most, four times that."""
    entries = spherical_rows(np.random.default_rng(0), (6_000, 3))[:, 0].astype(np.float64)
    found = np.abs(entries).mean() / np.sqrt(2 / np.pi)
    assert abs(found / spherical_mean_ratio(3) - 1) < 4 / np.sqrt(6_000)
