"""Trainable embeddings of positions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import sqrtm

from nnlimits import nn

KEY = jax.random.key(0)


def correlation(positions, length_scale):
    """R on the whole grid, by loops."""
    grid = list(np.ndindex(*positions))
    squares = [[sum((a - b) ** 2 for a, b in zip(p, q, strict=True)) for q in grid] for p in grid]
    return np.exp(-np.array(squares) / (2 * length_scale**2))


@pytest.mark.parametrize("positions", [(6,), (3, 4)], ids=str)
def test_formula(positions, x64):
    layer = nn.PositionalEmbedding(std=0.5, length_scale=0.8)
    shape = (*positions, 3)
    params, x = layer.init(KEY, shape), np.random.default_rng(0).normal(size=(2, *shape))
    root = np.real(sqrtm(correlation(positions, 0.8)))
    embedding = root @ np.asarray(params["embedding"]).reshape(-1, 3)
    np.testing.assert_allclose(layer.apply(params, x), x + 0.5 * embedding.reshape(shape), rtol=1e-10, atol=1e-12)


def test_without_a_length_scale_positions_are_independent(x64):
    layer = nn.PositionalEmbedding(std=0.5)
    params, x = layer.init(KEY, (4, 3)), jnp.ones((1, 4, 3))
    np.testing.assert_allclose(layer.apply(params, x), x + 0.5 * params["embedding"], rtol=1e-14)


def test_initial_covariance():
    """10^5 channels, seed 0: entries of the sample covariance deviate by at most std^2 sqrt(2 / 10^5); five are allowed."""
    layer = nn.PositionalEmbedding(std=2.0, length_scale=1.3)
    embedding = layer.apply(layer.init(KEY, (2, 2, 100_000)), jnp.zeros((1, 2, 2, 100_000))).reshape(4, -1)
    covariance = np.asarray(embedding @ embedding.T) / 100_000
    np.testing.assert_allclose(covariance, 4 * correlation((2, 2), 1.3), atol=4 * 5 * np.sqrt(2e-5))


def test_correlations_factorize_over_the_axes():
    factors = nn.PositionalEmbedding(length_scale=0.8).correlations((3, 4))
    np.testing.assert_allclose(np.kron(*factors), correlation((3, 4), 0.8), rtol=1e-14)
    for factor, size in zip(nn.PositionalEmbedding().correlations((3, 4)), (3, 4), strict=True):
        np.testing.assert_array_equal(factor, np.eye(size))


def test_a_long_length_scale_gives_one_embedding_for_all():
    """R is all but singular. Positions p, q differ by N(0, 2 - 2 R_pq), a deviation of at most 49 / 10^6; five are allowed."""
    layer = nn.PositionalEmbedding(length_scale=1e6)
    y = np.asarray(layer.apply(layer.init(KEY, (50, 1)), jnp.zeros((1, 50, 1))))
    assert np.isfinite(y).all()
    np.testing.assert_allclose(y, np.broadcast_to(y[:, :1], y.shape), rtol=0, atol=5 * 49e-6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.PositionalEmbedding(std=-1), ValueError, "std must be at least 0"),
        (
            lambda: nn.PositionalEmbedding(length_scale=-0.5),
            ValueError,
            r"length_scale must be at least 0; received -0\.5",
        ),
        (lambda: nn.PositionalEmbedding(length_scale=np.nan), ValueError, "length_scale must be finite"),
        (lambda: nn.PositionalEmbedding().output_shape((4,)), nn.ShapeError, r"expects positions and channels.*\(4,\)"),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_refuses_a_traced_length_scale():
    with pytest.raises(TypeError, match="length_scale must be a number known before tracing"):
        jax.jit(lambda scale: nn.PositionalEmbedding(length_scale=scale))(1.0)
