"""The normalised exponential: a layer over all features."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn


def test_formula(x64):
    x = np.random.default_rng(0).normal(size=(4, 7))
    r = np.sqrt(np.mean(x**2, axis=1, keepdims=True))
    word = nn.ExpNormalized(gamma=0.7, shift=0.3)
    expected = r * np.exp(np.sqrt(0.7) * x / r + 0.7 * (0.3 - 1) / 2)
    np.testing.assert_allclose(word.apply((), x), expected, rtol=1e-13)


def test_limit_of_many_features(x64):
    """At 10^6 Gaussian features the mean product has standard error below 0.003; the tolerance is four of them."""
    q1, q2, correlation, gamma, shift = 2.0, 0.5, 0.4, 0.6, -0.2
    z = np.random.default_rng(1).normal(size=(2, 1_000_000))
    u = np.sqrt(q1) * z[0]
    v = np.sqrt(q2) * (correlation * z[0] + np.sqrt(1 - correlation**2) * z[1])
    y = nn.ExpNormalized(gamma=gamma, shift=shift).apply((), np.stack([u, v]))
    assert jnp.mean(y[0] * y[1]) == pytest.approx(np.sqrt(q1 * q2) * np.exp(gamma * (correlation + shift)), abs=0.012)


def test_zero_features_give_zero_with_a_finite_gradient():
    word = nn.ExpNormalized()
    np.testing.assert_array_equal(word.apply((), jnp.zeros((1, 3))), 0)
    assert np.isfinite(jax.grad(lambda x: word.apply((), x).sum())(jnp.zeros((1, 3)))).all()


def test_needs_features():
    with pytest.raises(ValueError, match="ExpNormalized expects at least one axis of features"):
        nn.ExpNormalized().output_shape(())


def test_refuses_negative_gamma():
    with pytest.raises(ValueError, match="gamma must be at least 0"):
        nn.ExpNormalized(gamma=-0.1)
