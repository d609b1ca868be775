"""Random Fourier features: limits, precision, transformations, and refusals. Rates and bias: test_rates.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits.random_features import arc_cosine_features, fourier_features
from nnlimits.random_features.stationary import orthogonal_frequencies

KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(size=(30, 5))


def test_definition():
    embed = fourier_features(5, 64, lengthscale=1.5, key=KEY)
    angles = 2 * np.pi * X @ embed.frequencies.T
    expected = np.hstack([np.cos(angles), np.sin(angles)]) / np.sqrt(32)
    np.testing.assert_allclose(embed(X), expected, atol=1e-14)
    assert embed.n_features == 64


def test_inner_products_of_an_input_with_itself_are_one():
    embed = fourier_features(5, 64, key=KEY, law="matern12")
    np.testing.assert_allclose(np.square(np.asarray(embed(X))).sum(1), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    "make", [lambda: fourier_features(5, 48, key=KEY), lambda: arc_cosine_features(5, 48, order=2, key=KEY)]
)
def test_single_precision_rows_and_traced_arrays_agree(make):
    embed = make()
    double = np.asarray(embed(X))
    single = embed(X.astype(np.float32))
    assert double.dtype == np.float64
    assert single.dtype == np.float32
    size = abs(double).max()
    # angles of up to 10 radians, or squares of sums of five terms, in single precision
    np.testing.assert_allclose(single, double, atol=2e-5 * size)
    np.testing.assert_allclose(jax.jit(lambda x: embed(x))(jnp.asarray(X, jnp.float32)), single, atol=2e-5 * size)
    np.testing.assert_allclose(embed(X[:7]), double[:7], atol=1e-12 * size)


def test_many_rows_in_stripes_equal_few():
    x = np.random.default_rng(1).normal(size=(3000, 5))
    embed = fourier_features(5, 512, key=KEY)
    np.testing.assert_array_equal(np.asarray(embed(x))[2500:2600], embed(x[2500:2600]))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_share_the_rows(threads, monkeypatch):
    x = np.random.default_rng(1).normal(size=(3001, 5)).astype(np.float32)
    embed = fourier_features(5, 512, key=KEY)
    monkeypatch.setattr("nnlimits.random_features.rows.processors", lambda: threads)
    monkeypatch.setattr("nnlimits.random_features.rows.STRIPE_ENTRIES", 2**17)
    angles = 2 * np.pi * x.astype(np.float64) @ embed.frequencies.T
    expected = np.hstack([np.cos(angles), np.sin(angles)]) / 16
    # angles of up to 30 radians in single precision
    np.testing.assert_allclose(embed(x), expected, atol=30 * np.finfo(np.float32).eps / 16)


def test_differentiable_under_jax():
    embed = fourier_features(5, 16, key=KEY)
    gradient = jax.grad(lambda x: embed(x[None]).sum())(jnp.ones(5))
    assert jnp.isfinite(gradient).all()


def test_orthogonal_within_blocks():
    omega = orthogonal_frequencies("gaussian", 5, 12, np.random.default_rng(0))
    unit = omega / np.linalg.norm(omega, axis=1)[:, None]
    for block in (unit[:5], unit[5:10], unit[10:]):
        np.testing.assert_allclose(block @ block.T, np.eye(len(block)), atol=1e-12)


def test_a_value():
    first, second = (fourier_features(5, 16, key=KEY) for _ in range(2))
    np.testing.assert_array_equal(first.frequencies, second.frequencies)
    other = fourier_features(5, 16, key=jax.random.key(1))
    assert (first.frequencies != other.frequencies).all()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "match"),
    [
        ((5, 7), {}, ValueError, "n_features must be even.*received 7: 8 would work"),
        ((5, 0), {}, ValueError, "n_features must be an integer, at least 2"),
        ((0, 8), {}, ValueError, "d must be an integer, at least 1"),
        ((5, 8), {"law": "sinc"}, ValueError, "law must be one of"),
        (
            (5, 8),
            {"law": "laplacian", "orthogonal": True},
            ValueError,
            "orthogonal=True needs a kernel of the distance",
        ),
        ((5, 8), {"lengthscale": [1.0, 2.0]}, ValueError, "lengthscale must be one number or 5"),
        ((5, 8), {"key": 3}, TypeError, r"key must be one random key, such as jax.random.key\(0\); received 3"),
    ],
)
def test_refusals(arguments, options, error, match):
    with pytest.raises(error, match=match):
        fourier_features(*arguments, **{"key": KEY, **options})


def test_refusals_of_inputs():
    embed = fourier_features(5, 8, key=KEY)
    with pytest.raises(ValueError, match=r"x must have 5 columns, as the frequencies have; received shape \(30, 4\)"):
        embed(X[:, :4])
    bad = X.copy()
    bad[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"x contains nan at index \(3, 2\)"):
        embed(bad)
    with pytest.raises(ValueError, match=r"for one example write x\[None\]"):
        embed(X[0])
