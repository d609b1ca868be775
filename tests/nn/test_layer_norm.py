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


@pytest.mark.parametrize("axes", [(0,), (0, 1), (1, -1), (0, 1, 2), (-3, 2)], ids=str)
def test_axes(axes, x64):
    x = np.random.default_rng(0).normal(2, 3, size=(4, 5, 6, 7))
    y = np.asarray(nn.LayerNorm(epsilon=0.5, axes=axes).apply((), x))
    over = tuple(axis % 3 + 1 for axis in axes)
    expected = (x - x.mean(over, keepdims=True)) / np.sqrt(x.var(over, keepdims=True) + 0.5)
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-12)


def test_refuses_axes():
    with pytest.raises(
        ValueError, match=r"axes must be a tuple of different axes of one example, .* received \(0, 0\)"
    ):
        nn.LayerNorm(axes=(0, 0))
    for axes in ((1, -1), (2,), (-3,)):
        with pytest.raises(nn.ShapeError, match=r"LayerNorm has axes=.* not different axes of its input \(4, 3\)"):
            nn.LayerNorm(axes=axes).output_shape((4, 3))
