"""Channels added to an input."""

import jax
import numpy as np
import pytest

from nnlimits import nn


def test_the_same_numbers_everywhere():
    layer = nn.Augment(2)
    assert layer.output_shape((5, 3)) == (5, 5)
    np.testing.assert_array_equal(layer.init(jax.random.key(0), (5, 3))["value"], [0, 0])
    x = np.arange(30.0).reshape(2, 5, 3)
    y = layer.apply({"value": np.array([1.5, -2.0])}, x)
    np.testing.assert_array_equal(y[..., :3], x)
    np.testing.assert_array_equal(y[..., 3:], np.broadcast_to([1.5, -2.0], (2, 5, 2)))


def test_bad_input():
    with pytest.raises(ValueError, match="channels must be an integer, at least 1; received 0"):
        nn.Augment(0)
    with pytest.raises(nn.ShapeError, match="Augment expects an axis of channels"):
        nn.Augment(1).output_shape(())
    with pytest.raises(nn.ShapeError, match=r"its value has shape \(3,\), where these inputs need \(2,\)"):
        nn.Augment(2).apply({"value": np.ones(3)}, np.ones((1, 4)))
