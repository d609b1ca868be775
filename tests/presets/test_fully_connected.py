"""The fully connected network."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.presets import mlp


def test_mlp_is_what_its_docstring_says():
    dense = nn.Dense(8, w_std=1.2, b_std=0.3)
    expected = nn.Sequential(dense, nn.Tanh(), dense, nn.Tanh(), nn.Dense(4))
    assert mlp(depth=2, width=8, activation=nn.Tanh(), w_std=1.2, b_std=0.3, outputs=4) == expected


def test_defaults():
    net = mlp()
    assert len(net.layers) == 7
    assert net.layers[0] == nn.Dense(512, w_std=math.sqrt(2), b_std=0.1)
    assert net.layers[1] == nn.Relu()
    assert net.output_shape((10,)) == (1,)


def test_outputs_have_variance_close_to_one():
    """4,000 outputs, seed 0. The biases add 3 * 0.01 / 2; three layers of width 512 vary it by about 0.17."""
    net = mlp(outputs=4000)
    x = jnp.asarray(np.random.default_rng(0).choice([-1.0, 1.0], size=(1, 16)), jnp.float32)
    assert np.var(net.apply(net.init(jax.random.key(0), (16,)), x)) == pytest.approx(1.015, abs=0.5)


def test_works_with_traced_scales():
    gradient = jax.grad(lambda w_std: mlp(depth=1, width=4, w_std=w_std).layers[0].w_std ** 2)(3.0)
    assert gradient == 6.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"depth": 0}, ValueError, "depth must be an integer, at least 1; received 0"),
        ({"width": 0}, ValueError, "width must be an integer, at least 1; received 0"),
        ({"outputs": 0}, ValueError, "outputs must be an integer, at least 1; received 0"),
        ({"w_std": -1.0}, ValueError, "w_std must be at least 0"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        mlp(**arguments)
