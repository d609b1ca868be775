"""Equinox models: the expressions that they become, and the limit of their NTK."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import convert, nn
from nnlimits.kernels.kernel import how_to_convert

KEY = jax.random.key(0)
X = np.random.default_rng(0).standard_normal((3, 40)).astype(np.float32)
IMAGES = np.random.default_rng(1).standard_normal((2, 3, 6, 6)).astype(np.float32)
UNIFORM = math.sqrt(1 / 3)


def b_std(fan_in):
    return UNIFORM / math.sqrt(fan_in)


def dense(width, fan_in):
    return nn.Dense(width, UNIFORM, b_std(fan_in))


def test_perceptron():
    model = eqx.nn.MLP(40, 2, 8, 2, activation=jnp.tanh, final_activation=jax.nn.gelu, use_final_bias=False, key=KEY)
    last = (nn.Dense(2, UNIFORM, None), nn.Gelu(approximate=True))
    expected = (dense(8, 40), nn.Tanh(), dense(8, 8), nn.Tanh(), *last)
    assert convert.from_equinox(model, scales="initializer") == nn.Sequential(*expected, parameterization="standard")


def convolutional(seed, width):
    keys = jax.random.split(jax.random.key(seed), 3)
    return eqx.nn.Sequential(
        [
            eqx.nn.Conv2d(3, width, 3, padding=1, key=keys[0]),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.AvgPool2d(2, 2),
            eqx.nn.Conv2d(width, width, 2, stride=1, use_bias=False, key=keys[1]),
            eqx.nn.Lambda(lambda x: jnp.where(x > 0, x, 0.3 * x)),
            eqx.nn.Dropout(0.5, inference=True),
            eqx.nn.Lambda(jnp.ravel),
            eqx.nn.Linear(4 * width, 1, key=keys[2]),
        ]
    )


def expected_convolutional(width):
    return nn.Sequential(
        nn.Conv(width, (3, 3), w_std=UNIFORM, b_std=b_std(27)),
        nn.Relu(),
        nn.AvgPool((2, 2)),
        nn.Conv(width, (2, 2), padding="valid", w_std=UNIFORM, b_std=None),
        nn.LeakyRelu(0.3),
        nn.Flatten(),
        dense(1, 4 * width),
        parameterization="standard",
    )


@pytest.mark.parametrize("shape", [None, (3, 6, 6)])
def test_convolutions(shape):
    """By the rules of all modules."""
    assert convert.from_equinox(convolutional(0, 16), shape, scales="initializer") == expected_convolutional(16)


class Block(eqx.Module):
    """Code of its own around modules with rules: channels first and last, a mapped layer, a residual branch."""

    stem: eqx.nn.Conv2d
    body: eqx.nn.Sequential
    norm: eqx.nn.LayerNorm
    mixed: eqx.nn.Linear
    head: eqx.nn.Linear

    def __init__(self, key, width):
        keys = jax.random.split(key, 4)
        self.stem = eqx.nn.Conv2d(3, width, 3, padding=1, key=keys[0])
        self.body = eqx.nn.Sequential(
            [eqx.nn.Lambda(jax.nn.gelu), eqx.nn.Conv2d(width, width, 3, padding=1, key=keys[1])]
        )
        self.norm = eqx.nn.LayerNorm(width)
        self.mixed = eqx.nn.Linear(width, width, key=keys[2])
        self.head = eqx.nn.Linear(width, 1, key=keys[3])

    def __call__(self, x):
        x = self.stem(x)
        x = x + 0.5 * self.body(x)
        x = jnp.moveaxis(x.reshape(x.shape[0], -1), 0, 1)
        x = jax.vmap(self.mixed)(jax.nn.silu(jax.vmap(self.norm)(x)))
        return self.head(jnp.mean(x, axis=0))


def test_a_module_with_code_of_its_own():
    conv = {"w_std": UNIFORM, "b_std": b_std(9 * 16)}
    body = nn.Sequential(nn.Gelu(approximate=True), nn.Conv(16, (3, 3), **conv), nn.Scale(0.5))
    assert convert.from_equinox(Block(KEY, 16), (3, 6, 6), scales="initializer") == nn.Sequential(
        nn.Conv(16, (3, 3), w_std=UNIFORM, b_std=b_std(27)),
        nn.Residual(body),
        nn.LayerNorm(1e-5),
        nn.ChannelAffine(),
        nn.Silu(),
        nn.Linear(16, w_std=UNIFORM, b_std=b_std(16)),
        nn.GlobalAvgPool(),
        dense(1, 16),
        parameterization="standard",
    )


class Squared(eqx.Module):
    inner: eqx.nn.Linear

    def __call__(self, x):
        return self.inner(x) ** 2


@convert.equinox_rule.register
def _squared(module: Squared, conversion: convert.Conversion) -> nn.Layer:
    return nn.Sequential(conversion.child("inner", module.inner), nn.Monomial(2))


def test_a_rule_of_the_users_own():
    linear = eqx.nn.Linear(3, 2, key=KEY)
    found = convert.from_equinox(eqx.nn.Sequential([Squared(linear)]), scales="initializer")
    assert found == nn.Sequential(dense(2, 3), nn.Monomial(2), parameterization="standard")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["perceptron", "convolutions", "code of its own"])
def test_ntk(name, agrees):
    """Widths 256, 128 and 128; the weights of the first layers are uniform, and sums of 27 or 40 of them nearly Gaussian."""
    build, x, inputs, width = {
        "perceptron": (lambda s: eqx.nn.MLP(40, 1, 256, 2, jnp.tanh, key=jax.random.key(s)), X, X, 256),
        "convolutions": (lambda s: convolutional(s, 128), IMAGES, convert.channels_last(IMAGES), 128),
        "code of its own": (lambda s: Block(jax.random.key(s), 128), IMAGES, convert.channels_last(IMAGES), 128),
    }[name]
    net = convert.from_equinox(build(0), x.shape[1:], scales="initializer")
    agrees(build, net, x, inputs, width=width)


class Weights(eqx.Module):
    weight: jax.Array

    def __call__(self, x):
        return self.weight @ x


class Mixer(eqx.Module):
    """A layer along the positions."""

    embed: eqx.nn.Linear
    mix: eqx.nn.Linear

    def __call__(self, x):
        return jax.vmap(self.mix, 1, 1)(jax.vmap(self.embed)(x))


@pytest.mark.parametrize(
    ("build", "shape", "message"),
    [
        (lambda: Weights(jnp.ones((3, 3))), None, r"model: Weights has no rule of conversion"),
        (
            lambda: Weights(jnp.ones((3, 3))),
            (3,),
            r"model: its code uses dot_general: a product that is no layer with a rule",
        ),
        (
            lambda: Mixer(eqx.nn.Linear(3, 4, key=KEY), eqx.nn.Linear(4, 4, key=KEY)),
            (4, 3),
            r"model\.mix \(Linear\): acts on the last axis",
        ),
        (
            lambda: eqx.nn.MultiheadAttention(2, 8, key=KEY),
            None,
            "model: MultiheadAttention divides its logits by the root",
        ),
        (lambda: eqx.nn.Sequential([eqx.nn.MaxPool2d(2)]), None, r"model\.layers\[0\]: MaxPool2d has no kernel"),
        (
            lambda: eqx.nn.Sequential([eqx.nn.Lambda(jnp.sum)]),
            None,
            r"model\.layers\[0\]: the function sum does not act",
        ),
        (lambda: eqx.nn.Sequential([eqx.nn.Lambda(jnp.sort)]), (3,), r"its code uses sort"),
        (lambda: eqx.nn.MLP(2, 1, 4, 3, scan=True, key=KEY), None, r"scan=False"),
        (
            lambda: eqx.nn.Sequential([(layer := eqx.nn.Linear(3, 3, key=KEY)), layer]),
            None,
            r"model\.layers\[1\]: these are the parameters of model\.layers\[0\] again",
        ),
    ],
)
def test_what_has_no_counterpart(build, shape, message):
    with pytest.raises(NotImplementedError, match=message):
        convert.from_equinox(build(), shape)


def test_bad_arguments():
    with pytest.raises(TypeError, match="module must be an Equinox module; received Sequential"):
        convert.from_equinox(nn.Sequential(nn.Dense(2)))
    assert how_to_convert(eqx.nn.Identity()) == ". Convert it: nnlimits.convert.from_equinox(...)"
