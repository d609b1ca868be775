"""Resizing, against `jax.image.resize`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn


@pytest.mark.parametrize("method", ["nearest", pytest.param("linear", marks=pytest.mark.slow)])
def test_matrices_are_those_of_jax(method, x64):
    for old in (1, 2, 3, 5, 6):
        for new in (1, 2, 3, 4, 7, 12):
            (matrix,) = nn.ImageResize((new,), method=method).matrices((old,))
            peer = jax.image.resize(jnp.eye(old), (new, old), method, antialias=False)
            np.testing.assert_allclose(matrix, peer, atol=2e-7)  # its places are in single precision


@pytest.mark.parametrize("method", ["linear", "nearest"])
@pytest.mark.parametrize(("shape", "new"), [((5, 2), (8,)), ((4, 6, 3), (8, 3)), ((2, 3, 4, 1), (3, 3, 2))], ids=str)
def test_values_are_those_of_jax(shape, new, method):
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    layer = nn.ImageResize(new, method=method)
    y = layer.apply((), x)
    peer = jax.image.resize(x, (2, *new, shape[-1]), method, antialias=False)
    np.testing.assert_allclose(y, peer, rtol=1e-5, atol=1e-6)
    assert layer.output_shape(shape) == y.shape[1:]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.ImageResize(8), TypeError, r"shape must be a tuple of one size a position axis, .* received 8"),
        (lambda: nn.ImageResize((8, 0)), ValueError, r"shape\[1\] must be an integer, at least 1; received 0"),
        (lambda: nn.ImageResize((8,), method="cubic"), ValueError, "method must be one of 'linear', 'nearest'"),
        (
            lambda: nn.ImageResize((8,)).output_shape((4, 4, 3)),
            nn.ShapeError,
            r"resizes 1 position axes .* has 2 before",
        ),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()
