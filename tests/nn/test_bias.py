"""Layers without bias."""

import dataclasses

import jax
import numpy as np
import pytest

from nnlimits import nn

LAYERS = [
    (nn.Dense(3, b_std=None), (4,)),
    (nn.Linear(3, b_std=None), (5, 4)),
    (nn.Conv(3, 2, b_std=None), (5, 4)),
    (nn.ConvTranspose(3, 2, b_std=None), (5, 4)),
    (nn.LocallyConnected(3, 2, b_std=None), (5, 4)),
    (nn.SelfAttention(3, b_std=None), (5, 4)),
    (nn.Rnn(3, b_std=None), (5, 4)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda case: type(case[0]).__name__)
def test_it_is_the_layer_whose_bias_is_zero(layer):
    layer, shape = layer
    with_bias = dataclasses.replace(layer, b_std=0.0)
    key, x = jax.random.key(0), np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    params, others = layer.init(key, shape), with_bias.init(key, shape)
    assert "bias" not in params
    assert "bias" in others
    np.testing.assert_array_equal(layer.apply(params, x), with_bias.apply({**others, **params}, x))
    with pytest.raises(nn.ShapeError, match="expects parameters"):
        layer.apply(others, x)


def test_none_is_for_biases_only():
    with pytest.raises(ValueError, match="b_std must be at least 0, or None for no bias; received -1"):
        nn.Dense(3, b_std=-1)
    with pytest.raises(TypeError, match="w_std must be a real number"):
        nn.Dense(3, w_std=None)
