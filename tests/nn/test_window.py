"""The geometry of windows, and what they see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.nn.window import windows


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "padding", "outputs", "low", "high"),
    [
        (3, 1, 1, "same", 8, 1, 1),
        (4, 1, 1, "same", 8, 1, 2),
        (3, 2, 1, "same", 4, 0, 1),
        (1, 3, 1, "same", 3, 0, 0),
        (3, 1, 2, "same", 8, 2, 2),
        (3, 2, 1, "valid", 3, 0, 0),
        (5, 2, 1, "circular", 4, 2, 2),
        (3, 1, 3, "circular", 8, 3, 3),
        (3, 2, 1, 1, 4, 1, 1),
        (3, 3, 2, (2,), 3, 2, 2),
        (4, 1, 1, 0, 5, 0, 0),
    ],
)
def test_geometry(kernel, stride, dilation, padding, outputs, low, high):
    window = windows(nn.Identity(), (8, 3), kernel, stride, dilation, padding)
    assert (window.outputs, window.low, window.high) == ((outputs,), (low,), (high,))


@pytest.mark.parametrize("padding", ["same", "valid", "circular", 2, (0, 3)])
def test_patches(padding, patches):
    x = np.random.default_rng(0).normal(size=(2, 6, 9, 2)).astype(np.float32)
    window = windows(nn.Identity(), (6, 9, 2), (3, 1), (1, 3), (2, 1), padding)
    expected = patches(x, (3, 1), (1, 3), (2, 1), padding)
    np.testing.assert_array_equal(window.patches(jnp.asarray(x)), expected)


def test_same_padding_is_that_of_xla():
    for size in range(1, 12):
        for kernel in range(1, 9):
            for stride in range(1, size + 1):
                window = windows(nn.Identity(), (size, 1), kernel, stride, 1, "same")
                assert window.margins == list(jax.lax.padtype_to_pads((size,), (kernel,), (stride,), "SAME"))
