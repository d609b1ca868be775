"""Sums and averages over windows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn


@pytest.mark.parametrize(
    ("shape", "window", "stride", "padding"),
    [
        ((6, 3), (2,), (2,), "valid"),
        ((7, 3), (3,), (2,), "valid"),
        ((7, 3), (3,), (2,), "same"),
        ((6, 3), (3,), (3,), "circular"),
        ((6, 8, 2), (3, 5), (1, 2), "circular"),
        ((5, 8, 2), (2, 3), (2, 1), "same"),
        ((3, 4, 2, 2), (2, 2, 2), (1, 2, 1), "valid"),
    ],
    ids=str,
)
def test_formula(shape, window, stride, padding, patches, x64):
    x = np.random.default_rng(0).normal(size=(2, *shape))
    axes = tuple(range(1 + len(window), 1 + 2 * len(window)))
    total = patches(x, window, stride, (1,) * len(window), padding).sum(axes)
    for layer, expected in [
        (nn.SumPool(window, stride=stride, padding=padding), total),
        (nn.AvgPool(window, stride=stride, padding=padding), total / np.prod(window)),
    ]:
        np.testing.assert_allclose(layer.apply((), x), expected, rtol=1e-12, atol=1e-13)
        assert layer.output_shape(shape) == expected.shape[1:]


def test_the_stride_is_by_default_that_of_the_window():
    x = jnp.arange(12.0).reshape(1, 6, 2)
    np.testing.assert_array_equal(nn.AvgPool(3).apply((), x), nn.AvgPool(3, stride=3).apply((), x))
    assert nn.AvgPool((2, 3)).output_shape((4, 6, 1)) == (2, 2, 1)


def test_padded_zeros_count_in_the_average():
    np.testing.assert_allclose(nn.AvgPool(3, 1, "same").apply((), jnp.ones((1, 3, 1)))[0, :, 0], [2 / 3, 1, 2 / 3])


def test_gradient_under_jit():
    """Every entry of the input is in one window, so the gradient is 1 / size of the window."""
    gradient = jax.jit(jax.grad(lambda x: nn.AvgPool(2).apply((), x).sum()))(jnp.ones((1, 4, 4, 1)))
    np.testing.assert_allclose(gradient, 0.25)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.AvgPool(0), ValueError, "window must be an integer, at least 1; received 0"),
        (lambda: nn.SumPool(2, stride=0), ValueError, "stride must be an integer, at least 1; received 0"),
        (lambda: nn.SumPool(2, padding="full"), ValueError, "padding must be one of"),
        (lambda: nn.AvgPool(3).output_shape((2, 2, 1)), nn.ShapeError, r"AvgPool has stride \(3, 3\), larger than"),
        (
            lambda: nn.SumPool(3, 1).output_shape((2, 1)),
            nn.ShapeError,
            r"SumPool has a window of extent \(3,\), larger",
        ),
        (lambda: nn.AvgPool(2).output_shape((4,)), nn.ShapeError, "AvgPool expects positions and channels"),
        (lambda: nn.AvgPool(2, padding="circular").output_shape((4, 1)), nn.ShapeError, "needs a window of odd extent"),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()
