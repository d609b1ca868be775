"""The covariance of the raw inputs: close and opposite pairs, zero inputs, unequal norms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits.kernels.inputs import input_covariance, input_variance, rows


def special_rows(d, seed=0):
    """Random rows, near-duplicates at distance 1e-6 to 1e-2, opposites, near-opposites, and rows of other lengths."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((6, d))
    off = rng.standard_normal((6, d)) / np.sqrt(d)
    near = [x + distance * off for distance in (1e-6, 1e-4, 1e-2)]
    return np.concatenate([x, *near, -x, -(x + 1e-4 * off), 100 * (x + 1e-3 * off), -0.01 * x])


def deficits(x1, x2, same=None):
    return np.asarray(
        input_covariance(rows(jnp.asarray(x1)), rows(jnp.asarray(x2)), same, ntk=False, keep_same=False).deficit
    )


def angles(deficit):
    return 2 * np.arcsin(np.sqrt(deficit / 2))


@pytest.mark.parametrize("d", [1, 3, 784])
def test_angles_in_float32_are_exact_to_rounding(d):
    """The error of every angle is a few roundings of float32, where a product of unit vectors would leave 3e-4.

    Except near-opposite pairs at less than 3e-4, whose deficit is within rounding of 2: half an ulp of that, 1.2e-7, is
    an angle of 5e-4.
    """
    x = special_rows(d).astype(np.float32)
    ours = angles(deficits(x, x).astype(float))
    u = x.astype(float) / np.linalg.norm(x.astype(float), axis=1, keepdims=True)
    exact = 2 * np.arctan2(np.linalg.norm(u[:, None] - u[None], axis=2), np.linalg.norm(u[:, None] + u[None], axis=2))
    opposite = exact > np.pi - 0.05
    assert np.abs(ours - exact)[~opposite].max() < 4e-6
    assert np.abs(ours - exact)[opposite].max() < 5e-4
    assert np.abs(ours - exact)[24:30, :6].diagonal().max() < 1e-7  # x and -x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_and_opposite_rows(dtype):
    x = special_rows(5).astype(dtype)[:6]
    with jax.enable_x64(dtype == np.float64):
        found = deficits(np.concatenate([x, x]), np.concatenate([x, -x]))
        marked = deficits(x, x, jnp.eye(6, dtype=bool))
    np.testing.assert_array_equal(found[:6, :6].diagonal(), 0)
    np.testing.assert_array_equal(found[6:, :6].diagonal(), 0)
    np.testing.assert_array_equal(found[:6, 6:].diagonal(), 2)
    np.testing.assert_array_equal(marked.diagonal(), 0)


def test_more_close_pairs_than_one_chunk():
    """All 90,000 pairs of one-dimensional inputs are close to equal or opposite."""
    x = np.random.default_rng(0).standard_normal((300, 1)).astype(np.float32)
    np.testing.assert_array_equal(deficits(x, x), 1 - np.sign(x) * np.sign(x).T)


def test_zero_inputs(x64):
    x = np.array([[0.0, 0.0], [1.0, 2.0], [0.0, 0.0], [-1.0, -2.0]])
    found = deficits(x, x)
    np.testing.assert_array_equal(found[[0, 0, 1, 2], [1, 3, 2, 1]], 1)
    state = input_covariance(rows(jnp.asarray(x)), rows(jnp.asarray(x)), None, ntk=True, keep_same=False)
    np.testing.assert_allclose(state.nngp, x @ x.T / 2, atol=1e-15)
    np.testing.assert_array_equal(state.ntk, 0)


def test_diagonal_is_that_of_the_pairs(x64):
    x = jnp.asarray(special_rows(3))
    whole = input_covariance(rows(x), rows(x), jnp.eye(len(x), dtype=bool), ntk=False, keep_same=False)
    alone = input_variance(rows(x), ntk=False, keep_same=False)
    np.testing.assert_array_equal(jnp.diagonal(whole.nngp), alone.nngp)


@pytest.mark.slow
def test_derivative_of_the_covariance_is_the_other_input(x64):
    """`d <x, y> / d x = y`, at equal, opposite, parallel and orthogonal rows and at zero too."""
    y = jnp.asarray([[1.0, 2.0, -0.5], [-1.0, -2.0, 0.5], [3.0, 6.0, -1.5], [2.0, -1.0, 0.0], [1.0, 2.0, -0.5 + 1e-9]])

    def covariance(x, i):
        return input_covariance(rows(x[None]), rows(y[i][None]), None, ntk=False, keep_same=False).nngp[0, 0]

    for i in range(len(y)):
        np.testing.assert_allclose(jax.grad(covariance)(y[0], i), y[i] / 3, rtol=1e-7, atol=1e-12)
        assert np.isfinite(jax.grad(covariance)(jnp.zeros(3), i)).all()
