"""The trainable gain and offset, and the constant factor."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn

X = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)


def test_identity_at_initialization():
    for layer in (nn.ChannelAffine(), nn.ChannelAffine(gain=False), nn.ChannelAffine(False, False)):
        np.testing.assert_array_equal(layer.apply(layer.init(jax.random.key(0), (3, 4)), X), X)


def test_each_channel_has_a_gain_and_an_offset_of_its_own():
    params = {"gain": jnp.arange(4.0), "offset": -jnp.arange(4.0)}
    np.testing.assert_array_equal(
        nn.ChannelAffine().apply(params, X), X * np.arange(4, dtype=np.float32) - np.arange(4, dtype=np.float32)
    )
    np.testing.assert_array_equal(
        nn.ChannelAffine(offset=False).apply({"gain": params["gain"]}, X), X * np.arange(4, dtype=np.float32)
    )
    assert nn.count_parameters(nn.ChannelAffine(), (3, 4)) == 8
    assert nn.count_parameters(nn.ChannelAffine(gain=False), (3, 4)) == 4


def test_parameters_of_other_inputs_are_refused():
    layer = nn.ChannelAffine()
    params = layer.init(jax.random.key(0), (5,))
    with pytest.raises(nn.ShapeError, match="its gain has shape"):
        layer.apply(params, X)
    with pytest.raises(nn.ShapeError, match="expects an axis of channels"):
        layer.output_shape(())
    with pytest.raises(TypeError, match="gain must be True or False"):
        nn.ChannelAffine(gain=1)


def test_scale():
    np.testing.assert_array_equal(nn.Scale(-0.5).apply((), X), -X / 2)
    with pytest.raises(TypeError, match="factor must be a real number"):
        nn.Scale("a")
