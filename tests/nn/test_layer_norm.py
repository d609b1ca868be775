"""Layer normalization."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn


def test_formula(x64):
    x = np.random.default_rng(0).normal(2, 3, size=(4, 5, 7))
    y = np.asarray(nn.LayerNorm().apply((), x))
    np.testing.assert_allclose(y, (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True), rtol=1e-10)
    epsilon = nn.LayerNorm(epsilon=0.5).apply((), x)
    np.testing.assert_allclose(epsilon, (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.5))


def test_equal_features_give_zero_with_a_finite_gradient():
    x = jnp.full((1, 4), 3.0)
    np.testing.assert_array_equal(nn.LayerNorm().apply((), x), 0)
    assert np.isfinite(jax.grad(lambda x: nn.LayerNorm().apply((), x)[0, 0])(x)).all()


def test_refuses():
    with pytest.raises(ValueError, match="epsilon must be at least 0"):
        nn.LayerNorm(epsilon=-1e-3)
    with pytest.raises(ValueError, match="LayerNorm expects at least one axis of features"):
        nn.LayerNorm().output_shape(())
