"""Networks for sequences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.presets import rnn, transformer_encoder


def test_rnn_is_what_its_docstring_says():
    expected = nn.Sequential(nn.Rnn(8, nn.Erf(), w_std=1.2, u_std=0.5, b_std=0.3), nn.Index(-1), nn.Dense(2))
    assert rnn(8, nn.Erf(), w_std=1.2, u_std=0.5, b_std=0.3, outputs=2) == expected
    assert rnn().output_shape((7, 3)) == (1,)


def test_the_variance_of_the_states_settles():
    """20 equal steps, 512 units, seed 0: q = q / 2 + 1 + 0.01 before ReLU, so y has q / 2 = 1.01; width 512 varies it by 0.2."""
    net = rnn(outputs=4000)
    y = jax.jit(net.apply)(net.init(jax.random.key(0), (20, 4)), jnp.ones((1, 20, 4)))
    assert np.var(y) == pytest.approx(1.01, abs=0.6)


@pytest.mark.parametrize("layer_norm", ["post", "pre"])
def test_transformer_encoder(layer_norm):
    net = transformer_encoder(2, 8, 3, layer_norm=layer_norm, length_scale=1.5, b_std=0.2, outputs=2)
    assert net.output_shape((7, 5)) == (2,)
    attention = nn.SelfAttention(8, heads=3, b_std=0.2)
    assert repr(net).count(repr(attention)) == 2
    assert repr(net).count("nn.LayerNorm()") == (4 if layer_norm == "post" else 5)
    per_block = nn.count_parameters(attention, (7, 8)) + (8 * 32 + 32) + (32 * 8 + 8)
    assert nn.count_parameters(net, (7, 5)) == (5 * 8 + 8) + 7 * 8 + 2 * per_block + (8 * 2 + 2)


def test_transformer_encoder_of_padded_tokens():
    """The network on padded tokens is that on the tokens themselves; the embedding of positions is cut."""
    net = nn.Masked(transformer_encoder(1, 8, 2, embedding=nn.Embedding(10, 8)), value=-1)
    shapes = jax.eval_shape(lambda key: net.init(key, (6,)), jax.random.key(0))
    generator = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: generator.normal(size=leaf.shape).astype(np.float32), shapes)
    y = jax.jit(net.apply)(params, np.array([[1, 9, 3, 4, -1, -1]]))
    cut = jax.tree.map(lambda leaf: leaf[:4] if leaf.shape == (6, 8) else leaf, params)
    expected = jax.jit(net.body.apply)(cut, np.array([[1, 9, 3, 4]]))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rnn(0), ValueError, "width must be an integer, at least 1; received 0"),
        (lambda: rnn(activation=nn.Dense(3)), TypeError, "activation must be an activation"),
        (lambda: transformer_encoder(0), ValueError, "blocks must be an integer, at least 1; received 0"),
        (lambda: transformer_encoder(heads=0), ValueError, "heads must be an integer, at least 1; received 0"),
        (
            lambda: transformer_encoder(layer_norm="both"),
            ValueError,
            "layer_norm must be one of 'post', 'pre'; received",
        ),
        (lambda: transformer_encoder(length_scale=-1.0), ValueError, "length_scale must be at least 0"),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()
