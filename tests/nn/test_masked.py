"""Inputs of variable length: the result on a padded input is that on the input itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn

BODIES = {
    "conv": (nn.Conv(6, 3, b_std=0.3), nn.Relu(), nn.Conv(6, 3, dilation=2, b_std=0.3), nn.GlobalAvgPool()),
    "transposed": (nn.ConvTranspose(6, 5, b_std=0.3), nn.Relu(), nn.ConvTranspose(6, 3), nn.GlobalSumPool()),
    "pool": (nn.Linear(6, b_std=0.3), nn.AvgPool(3, 1, "same"), nn.SumPool(3, 1, "same"), nn.GlobalAvgPool()),
    "layer norm": (nn.Linear(6, b_std=0.3), nn.LayerNorm(axes=(0, 1)), nn.LayerNorm(axes=(-1,)), nn.GlobalSumPool()),
    "attention": (
        nn.Linear(6, b_std=1.0),
        nn.Residual(nn.SelfAttention(6, heads=2, key_width=4, value_width=4, b_std=0.4)),
        nn.SelfAttention(6, attention="identity", b_std=0.4),
        nn.GlobalAvgPool(),
    ),
    "rnn": (nn.Rnn(5, b_std=1.0), nn.Rnn(4), nn.Index(-1)),
    "repeat": (nn.Repeat(nn.Sequential(nn.Conv(3, 3, b_std=0.5), nn.Relu()), 3), nn.GlobalAvgPool(), nn.Dense(2)),
    "parallel": (nn.Parallel(nn.Conv(3, 3), nn.Linear(2), merge=nn.Concatenate()), nn.Abs(), nn.GlobalSumPool()),
}


def _padded(lengths, steps, channels, value=0.0):
    x = np.random.default_rng(0).normal(size=(len(lengths), steps, channels))
    for example, length in zip(x, lengths, strict=True):
        example[length:] = value
    return x


@pytest.mark.parametrize("name", BODIES)
def test_equals_the_shorter_input(name, x64, standard_normal):
    body, masked = nn.Sequential(*BODIES[name]), nn.Masked(*BODIES[name], value=-2.0)
    x = _padded([4, 7], 7, 3, value=-2.0)
    params = standard_normal(masked, (7, 3))
    y, plain = jax.jit(masked.apply)(params, x), jax.jit(body.apply)
    whole = plain(params, x)
    np.testing.assert_allclose(y[0], plain(params, x[:1, :4])[0], rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(y[1], whole[1], rtol=1e-11, atol=1e-12)
    assert not np.allclose(y[0], whole[0], rtol=1e-2)


def test_without_masked_positions_it_is_the_sequential(x64, standard_normal):
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    layers = (nn.Conv(4, 3), nn.SelfAttention(4), nn.LayerNorm(axes=(0,)), nn.Flatten())
    masked = nn.Masked(*layers)
    params = standard_normal(masked, (4, 5, 3))
    y, expected = (jax.jit(net.apply)(params, x) for net in (masked, nn.Sequential(*layers)))
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)


def test_images_are_masked_by_position(x64, standard_normal):
    """A mask in the shape of a smaller image: the result is that of the smaller image."""
    layers = (nn.Conv(4, 3, b_std=0.5), nn.Relu(), nn.Conv(4, (3, 1)), nn.LayerNorm(axes=(0, 1)), nn.Abs())
    masked = nn.Masked(*layers, nn.GlobalAvgPool())
    x = np.zeros((1, 5, 6, 2))
    x[:, :3, :4] = np.random.default_rng(0).normal(size=(3, 4, 2))
    params = standard_normal(masked, (5, 6, 2))
    expected = jax.jit(nn.Sequential(*layers, nn.GlobalAvgPool()).apply)(params, x[:, :3, :4])
    np.testing.assert_allclose(jax.jit(masked.apply)(params, x), expected, rtol=1e-11)


def test_a_position_is_masked_if_all_its_channels_equal_the_value():
    x = np.array([[[0.0, 0.0], [0.0, 1.0], [2.0, 0.0]]])
    np.testing.assert_array_equal(nn.Masked().mask(jnp.asarray(x)), [[True, False, False]])
    np.testing.assert_array_equal(nn.Masked(nn.GlobalAvgPool()).apply(((),), x), [[1.0, 0.5]])


def test_layers_that_remove_all_positions_see_zeros(x64, standard_normal):
    x = _padded([2, 3], 4, 3, value=9.0)
    zeros = np.where(x == 9, 0, x)
    for layer in (nn.Flatten(), nn.Linear(5, axes=(0, 1)), nn.GlobalSumPool(), nn.LocallyConnected(2, 3)):
        masked = nn.Masked(layer, value=9.0)
        params = standard_normal(masked, (4, 3))
        np.testing.assert_allclose(masked.apply(params, x), layer.apply(params[0], zeros), rtol=1e-12, atol=1e-13)


def test_attention_gives_zeros_at_masked_positions(standard_normal):
    for attention in ("softmax", "identity"):
        masked = nn.Masked(nn.SelfAttention(4, attention=attention, b_std=1.0))
        y = masked.apply(standard_normal(masked, (4, 3)), _padded([2], 4, 3))
        assert (np.asarray(y)[0, 2:] == 0).all()
        assert (np.asarray(y)[0, :2] != 0).all()


def test_the_state_of_a_recurrent_network_stays_over_masked_steps_in_the_middle(x64, standard_normal):
    x = np.random.default_rng(0).normal(size=(1, 5, 3))
    x[:, [0, 2]] = 0
    masked = nn.Masked(nn.Rnn(4, b_std=1.0))
    params = standard_normal(masked, (5, 3))
    y = jax.jit(masked.apply)(params, x)
    short = jax.jit(masked.layers[0].apply)(params[0], x[:, [1, 3, 4]])
    np.testing.assert_allclose(y[:, [1, 3, 4]], short, rtol=1e-12)
    np.testing.assert_array_equal(y[:, 2], y[:, 1])
    np.testing.assert_array_equal(y[:, 0], 0)


@pytest.mark.parametrize("first", [nn.Embedding(5, 3), nn.Sequential(nn.Sequential(nn.Embedding(5, 3)), nn.Tanh())])
def test_tokens_equal_to_the_value_are_masked(first, x64, standard_normal):
    masked = nn.Masked(first, nn.Conv(3, 3, b_std=0.5), nn.GlobalAvgPool(), value=-1)
    params = standard_normal(masked, (5,))
    y = masked.apply(params, np.array([[4, 0, 2, -1, -1]]))
    np.testing.assert_allclose(y, masked.body.apply(params, np.array([[4, 0, 2]])), rtol=1e-12)
    assert np.isfinite(jax.jit(masked.apply)(params, np.array([[4, 0, 2, -1, -1]]))).all()


def test_gradients_do_not_reach_masked_positions_and_are_finite(standard_normal):
    layers = (nn.Conv(4, 3), nn.SelfAttention(4), nn.LayerNorm(axes=(0, 1)), nn.Relu(), nn.GlobalAvgPool(), nn.Dense(1))
    masked = nn.Masked(*layers)
    params, x = standard_normal(masked, (5, 3)), jnp.asarray(_padded([3, 1], 5, 3), jnp.float32)
    gradient = jax.jit(jax.grad(lambda x: masked.apply(params, x).sum()))(x)
    assert np.isfinite(gradient).all()
    assert (np.asarray(gradient)[0, 3:] == 0).all()
    assert (np.asarray(gradient)[0, :3] != 0).any()


@pytest.mark.parametrize("name", ["conv", "layer norm", "attention", "rnn"])
def test_fully_masked_examples_are_refused_or_finite(name, standard_normal):
    masked = nn.Masked(*BODIES[name])
    params, x = standard_normal(masked, (5, 3)), np.float32(_padded([3, 0, 0], 5, 3))
    message = r"all positions of example 1 equal 0 \(2 such examples\)"
    with pytest.raises(ValueError, match=message):
        masked.apply(params, x)
    assert np.isfinite(jax.jit(masked.apply)(params, x)).all()


@pytest.mark.parametrize(
    ("layer", "shape", "made"),
    [
        (nn.Conv(2, 3, stride=2), (8, 3), r"\(4,\)"),
        (nn.Conv(2, 3, padding="valid"), (8, 3), r"\(6,\)"),
        (nn.ConvTranspose(2, 3, stride=2), (8, 3), r"\(16,\)"),
        (nn.LocallyConnected(2, 3, padding="valid"), (8, 3), r"\(6,\)"),
        (nn.AvgPool(2), (8, 4, 3), r"\(4, 2\)"),
        (nn.SumPool(8), (8, 3), r"\(1,\)"),
        (nn.ImageResize((4,)), (8, 3), r"\(4,\)"),
        (nn.Linear(2, axes=(0, -1)), (8, 4, 3), r"\(4,\)"),
        (nn.Residual(nn.Sequential(nn.Relu(), nn.AvgPool(2), nn.ImageResize((8,)))), (8, 3), r"\(4,\)"),
    ],
    ids=repr,
)
def test_refuses_layers_that_change_the_positions(layer, shape, made):
    net = nn.Sequential(nn.Relu(), nn.Masked(nn.Tanh(), layer, nn.GlobalAvgPool()))
    with pytest.raises(
        nn.ShapeError, match=rf"at position 1.* makes positions {made} of the masked positions .*keep all"
    ):
        net.output_shape(shape)
    layer.output_shape(shape)


@pytest.mark.parametrize("index", [slice(0, 4), slice(None, None, -1), (0, slice(None)), 0], ids=str)
def test_refuses_an_index_of_several_positions(index):
    with pytest.raises(nn.ShapeError, match="Index at position 0 in Masked keeps several of the masked positions"):
        nn.Masked(nn.Index(index)).output_shape((8, 4, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Masked(jnp.tanh), TypeError, "Masked's layer 0 must be a layer"),
        (lambda: nn.Masked(value="0"), TypeError, "value must be a real number; received '0'"),
        (lambda: nn.Masked(value=np.nan), ValueError, "value must be finite; received nan"),
        (
            lambda: nn.Masked(nn.Relu()).output_shape((4,)),
            nn.ShapeError,
            r"or tokens for an nn\.Embedding; it received",
        ),
        (
            lambda: nn.Masked(nn.Masked()).output_shape((4, 3)),
            nn.ShapeError,
            "Masked at position 0 in Masked is inside",
        ),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_spelling():
    assert repr(nn.Masked(nn.GlobalAvgPool())) == "nn.Masked(nn.GlobalAvgPool())"
    assert repr(nn.Masked(nn.GlobalAvgPool(), value=-1)) == "nn.Masked(nn.GlobalAvgPool(), value=-1.0)"
    assert nn.Masked(nn.Relu(), value=1) != nn.Masked(nn.Relu())
