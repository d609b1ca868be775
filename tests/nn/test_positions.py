"""What every layer over positions keeps to: shapes, precision, parameterizations, transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn

KEY = jax.random.key(0)
CASES = [
    (nn.Conv(4, 3, w_std=1.5, b_std=0.5), (5, 4, 2)),
    (nn.ConvTranspose(4, 3, stride=2, w_std=1.5, b_std=0.5), (3, 2)),
    (nn.LocallyConnected(4, 3, w_std=1.5, b_std=0.5), (5, 2)),
    (nn.AvgPool(2), (5, 4, 2)),
    (nn.SumPool(3, 2, "same"), (5, 2)),
    (nn.GlobalAvgPool(), (5, 4, 2)),
    (nn.GlobalSumPool(), (5, 2)),
    (nn.Linear(4, axes=(0, -1), w_std=1.5, b_std=0.5), (5, 3, 2)),
    (nn.LayerNorm(axes=(0, 1)), (5, 3)),
    (
        nn.SelfAttention(
            3,
            heads=2,
            key_width=4,
            value_width=5,
            w_query_std=1.2,
            w_key_std=0.8,
            w_value_std=1.5,
            w_out_std=0.7,
            b_std=0.5,
        ),
        (5, 3),
    ),
    (nn.SelfAttention(3, attention="identity", scaling="sqrt", w_query_std=1.2, w_out_std=0.5), (2, 3, 3)),
    (nn.PositionalEmbedding(std=0.5, length_scale=1.5), (4, 3, 2)),
    (nn.Embedding(4, 3, w_std=1.5), (5,)),
    (nn.Index((slice(0, 4), 2)), (5, 3, 2)),
    (nn.ImageResize((3, 7)), (5, 4, 2)),
    (nn.Rnn(4, w_std=1.5, u_std=0.7, b_std=0.5), (5, 3)),
    (nn.Masked(nn.Conv(3, 3), nn.Relu(), nn.GlobalAvgPool()), (5, 3)),
    (nn.Masked(nn.Embedding(4, 3), nn.SelfAttention(3), nn.GlobalSumPool(), value=1.0), (5,)),
    (nn.GraphNetwork(nn.Linear(4), nn.Aggregate("symmetric", self_loops=True), nn.GlobalSumPool()), (3, 5)),
]
IDS = [repr(layer) for layer, _ in CASES]


def _inputs(shape):
    """Small integers of both kinds, valid tokens too."""
    return np.arange(2 * np.prod(shape)).reshape(2, *shape) * 7 % 4


@pytest.mark.parametrize(("layer", "shape"), CASES, ids=IDS)
def test_double_precision_jit_and_shapes(layer, shape, standard_normal):
    """Without the global flag; single precision and jit agree with it to single precision."""
    params = standard_normal(layer, shape, np.float64)
    x = _inputs(shape).astype(np.float64)
    y = layer.apply(params, x)
    assert y.dtype == np.float64
    assert y.shape == (2, *layer.output_shape(shape))
    single = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), params)
    compiled = jax.jit(layer.apply)(single, x.astype(np.float32))
    assert compiled.dtype == np.float32
    np.testing.assert_allclose(compiled, y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("layer", "shape"), CASES, ids=IDS)
def test_the_parameterizations_are_one_function_of_the_same_draws(layer, shape, x64):
    x = _inputs(shape).astype(np.float64)
    ntk, standard = (
        net.apply(net.init(KEY, shape), x)
        for net in (nn.Sequential(layer), nn.Sequential(layer, parameterization="standard"))
    )
    np.testing.assert_allclose(standard, ntk, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("layer", "shape"), CASES, ids=IDS)
def test_spelling(layer, shape):
    assert eval(repr(layer)) == layer
    assert hash(eval(repr(layer))) == hash(layer)


def test_refuses_parameters_of_another_layer():
    for layer, shape in CASES:
        if nn.count_parameters(layer, shape) and not isinstance(layer, nn.Masked | nn.GraphNetwork):
            with pytest.raises(nn.ShapeError, match=r"expects parameters .*; it received PyTreeDef"):
                layer.apply({"other": jnp.ones(2)}, jnp.ones((1, *shape)))


@pytest.mark.parametrize("scale", ["w_std", "b_std", "u_std", "w_query_std", "w_out_std", "std"])
def test_scales_can_be_traced(scale, standard_normal):
    """`y` is linear in the last scale of each layer: its derivative is the difference of two values."""
    build, shape = {
        "w_std": (lambda s: nn.Conv(2, 3, w_std=s), (4, 2)),
        "b_std": (lambda s: nn.SelfAttention(2, b_std=s), (4, 2)),
        "u_std": (lambda s: nn.Rnn(2, nn.Identity(), u_std=s), (4, 2)),
        "w_query_std": (lambda s: nn.SelfAttention(2, attention="identity", w_query_std=s), (4, 2)),
        "w_out_std": (lambda s: nn.SelfAttention(2, w_out_std=s), (4, 2)),
        "std": (lambda s: nn.PositionalEmbedding(std=s), (4, 2)),
    }[scale]
    params, x = standard_normal(build(1.0), shape), jnp.linspace(-1, 2, 8).reshape(1, *shape)
    value = jax.jit(lambda s: build(s).apply(params, x).sum())
    assert jax.grad(value)(1.0) == pytest.approx(float(value(2.0) - value(1.0)), rel=1e-4)
