"""Flax NNX models: the expressions that they become, and the limit of their NTK."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import convert, nn
from nnlimits.kernels.kernel import how_to_convert

nnx = pytest.importorskip("flax.nnx")
X = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)


def perceptron(seed, width):
    rngs = nnx.Rngs(seed)
    hidden = [nnx.Linear(8, width, rngs=rngs), nnx.relu, nnx.Linear(width, width, use_bias=False, rngs=rngs)]
    after = [nnx.LayerNorm(width, rngs=rngs), jnp.tanh, nnx.Dropout(0.5, deterministic=True)]
    return nnx.Sequential(*hidden, *after, nnx.Linear(width, 1, rngs=rngs))


def expected_perceptron(width):
    return nn.Sequential(
        nn.Linear(width),
        nn.Relu(),
        nn.Linear(width, b_std=None),
        nn.LayerNorm(1e-6),
        nn.ChannelAffine(),
        nn.Tanh(),
        nn.Linear(1),
        parameterization="standard",
    )


@pytest.mark.parametrize("shape", [None, (8,)])
def test_perceptron(shape):
    """A bias that starts at zero is trained, and one that is absent is not."""
    assert convert.from_flax(perceptron(0, 32), shape, scales="initializer") == expected_perceptron(32)


@pytest.mark.slow
def test_ntk_of_a_perceptron(agrees):
    agrees(lambda seed: perceptron(seed, 256), expected_perceptron(256), X, width=256)


def test_convolutions_and_functions():
    rngs = nnx.Rngs(0)
    he = jax.nn.initializers.he_normal()
    model = nnx.Sequential(
        nnx.Conv(3, 16, (3, 3), strides=2, kernel_init=he, rngs=rngs),
        nnx.gelu,
        functools.partial(nnx.avg_pool, window_shape=(2, 2), strides=(2, 2)),
        nnx.Conv(16, 16, (3, 3), padding="CIRCULAR", use_bias=False, rngs=rngs),
        nnx.BatchNorm(16, use_running_average=True, rngs=rngs),
    )
    assert convert.from_flax(model, scales="initializer") == nn.Sequential(
        nn.Conv(16, (3, 3), stride=2, w_std=np.sqrt(2)),
        nn.Gelu(approximate=True),
        nn.AvgPool((2, 2)),
        nn.Conv(16, (3, 3), padding="circular", b_std=None),
        nn.Scale(float(1 / np.sqrt(1 + 1e-5))),
        nn.ChannelAffine(),
        parameterization="standard",
    )


class Network(nnx.Module):
    """Code of its own, with pooling by a function."""

    def __init__(self, rngs, width):
        self.stem = nnx.Conv(3, width, (3,), rngs=rngs)
        self.blocks = nnx.List([nnx.Conv(width, width, (3,), rngs=rngs) for _ in range(2)])
        self.head = nnx.Linear(width, 1, rngs=rngs)

    def __call__(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(nnx.swish(x))
        x = nnx.avg_pool(nnx.relu(x), (2,), (2,))
        return self.head(x.mean(axis=1))


def expected_network(width):
    block = nn.Residual(nn.Sequential(nn.Silu(), nn.Conv(width, (3,))))
    ends = (nn.Relu(), nn.AvgPool((2,)), nn.GlobalAvgPool(), nn.Linear(1))
    return nn.Sequential(nn.Conv(width, (3,)), block, block, *ends, parameterization="standard")


def test_a_module_with_code_of_its_own():
    assert convert.from_flax(Network(nnx.Rngs(0), 16), (8, 3), scales="initializer") == expected_network(16)


@pytest.mark.slow
def test_ntk_of_a_module_with_code_of_its_own(agrees):
    x = np.random.default_rng(1).standard_normal((2, 8, 3)).astype(np.float32)
    agrees(lambda seed: Network(nnx.Rngs(seed), 128), expected_network(128), x, width=128)


def test_embedding_is_recognised():
    model = nnx.Sequential(nnx.Embed(100, 64, rngs=nnx.Rngs(0)), nnx.Linear(64, 2, rngs=nnx.Rngs(1)))
    found = convert.from_flax(model, scales="initializer")
    assert found == nn.Sequential(nn.Embedding(100, 64, w_std=0.125), nn.Linear(2), parameterization="standard")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda r: nnx.Sequential(nnx.BatchNorm(3, rngs=r)), r"model\.layers\[0\]: BatchNorm normalizes by the batch"),
        (lambda r: nnx.Sequential(functools.partial(nnx.max_pool, window_shape=(2,))), "of max_pool has no kernel"),
        (lambda r: nnx.Conv(4, 4, (3,), feature_group_count=2, rngs=r), "model: Conv has groups"),
        (lambda r: nnx.MultiHeadAttention(2, 8, rngs=r), "model: MultiHeadAttention divides its logits"),
        (lambda r: Network(r, 4), r"model: Network has no rule of conversion"),
    ],
)
def test_what_has_no_counterpart(build, message):
    with pytest.raises(NotImplementedError, match=message):
        convert.from_flax(build(nnx.Rngs(0)))


def test_bad_arguments():
    with pytest.raises(TypeError, match="module must be a Flax NNX module; received int"):
        convert.from_flax(3)
    assert how_to_convert(nnx.Linear(2, 2, rngs=nnx.Rngs(0))) == ". Convert it: nnlimits.convert.from_flax(...)"
