"""The points where a function is not smooth, found without being told: exact to 1e-9, and none where there are none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.nn.kinks import find_kinks, has_jumps


def kinks(function):
    return nn.Elementwise(function).kinks


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (jax.nn.relu, (0.0,)),
        (lambda x: jnp.maximum(x, 0.1 * x), (0.0,)),
        (lambda x: jnp.where(x > 0, x, 0.99 * x), (0.0,)),  # a slope that changes by a hundredth
        (jnp.abs, (0.0,)),
        (lambda x: jnp.abs(x - 1 / 3), (1 / 3,)),
        (lambda x: jnp.minimum(jnp.abs(x - 2), 1.0), (1.0, 2.0, 3.0)),
        (jax.nn.hard_tanh, (-1.0, 1.0)),
        (jax.nn.relu6, (0.0, 6.0)),
        (jax.nn.elu, (0.0,)),  # its slope is continuous, its curvature is not
        (lambda x: jnp.maximum(x, 0.0) ** 2, (0.0,)),
        (jnp.sign, (0.0,)),
        (lambda x: jnp.where(x > 0.7, 1.0, 0.0), (0.7,)),
        (lambda x: jnp.floor(x) * (jnp.abs(x) < 2.5), (-2.5, -2.0, -1.0, 0.0, 1.0, 2.0, 2.5)),
        (lambda x: jnp.sin(x) + 1e-2 * jnp.abs(x - 0.25), (0.25,)),
    ],
    ids=[
        "relu", "leaky relu", "almost linear", "abs", "abs moved", "tent", "hard tanh", "relu6", "elu", "relu squared",
        "sign", "step moved", "floor", "small kink on a wave",
    ],
)  # fmt: skip
def test_finds_jumps_of_value_slope_and_curvature(function, expected):
    found = kinks(function)
    assert len(found) == len(expected), found
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)  # quadrature panels need no more
    assert list(found) == sorted(found)
    assert all(type(k) is float for k in found)


@pytest.mark.parametrize(
    "function",
    [
        jnp.tanh,
        jax.nn.sigmoid,
        jax.nn.softplus,
        jax.nn.silu,
        jax.nn.gelu,
        jax.nn.mish,
        jnp.sin,
        jnp.exp,
        jax.scipy.special.erf,
        lambda x: jnp.exp(-(x**2)) * jnp.sin(x),
        lambda x: x,
        lambda x: x**3 - 2 * x,
        lambda x: 0.0 * x,
        lambda x: jnp.ones_like(x),
        lambda x: jnp.sin(40 * x),
        lambda x: jnp.tanh(100 * x),
    ],
    ids=[
        "tanh", "sigmoid", "softplus", "silu", "gelu", "mish", "sin", "exp", "erf", "gabor", "identity", "cubic",
        "zero", "one", "fast wave", "steep tanh",
    ],
)  # fmt: skip
def test_finds_none_in_smooth_functions(function):
    assert kinks(function) == ()


def test_far_kinks_up_to_thirty():
    assert kinks(lambda x: jnp.maximum(x - 29.5, 0.0)) == (29.5,)
    assert kinks(lambda x: jnp.abs(x + 17.25) + jnp.abs(x - 21.0)) == (-17.25, 21.0)
    assert kinks(lambda x: jnp.abs(x - 31.0)) == ()  # beyond what is searched


def test_kinks_close_together_are_told_apart():
    found = kinks(lambda x: jnp.clip(x, -0.02, 0.02))
    np.testing.assert_allclose(found, (-0.02, 0.02), rtol=0, atol=1e-9)


def test_built_in_activations_agree_with_what_is_found():
    for word in (nn.Relu(), nn.LeakyRelu(0.1), nn.Abs(), nn.HardTanh(), nn.Elu(0.7), nn.Step(), nn.Tanh(), nn.Gelu()):
        np.testing.assert_allclose(find_kinks(word), word.kinks, rtol=0, atol=1e-9, err_msg=repr(word))


def test_given_kinks_are_believed():
    assert nn.Elementwise(jax.nn.relu, kinks=()).kinks == ()
    assert nn.Elementwise(jnp.tanh, kinks=(3, -2)).kinks == (-2.0, 3.0)
    assert nn.Elementwise(jnp.floor, kinks=range(-3, 4)).kinks == tuple(float(k) for k in range(-3, 4))


def test_too_many_jumps_ask_for_those_that_matter():
    with pytest.raises(ValueError, match=r"jumps at \d+ places in \[-30, 30\]; give the kinks that matter with kinks="):
        kinks(lambda x: jnp.floor(3 * x))


def test_overflow_far_away_hides_no_kink_and_makes_none():
    assert kinks(lambda x: jnp.exp(x**2)) == ()  # infinite beyond 26.6
    assert kinks(lambda x: jnp.exp(x**2) + jnp.abs(x - 1)) == (1.0,)


def test_found_in_double_precision_also_under_jit_and_after_it():
    def kinked(x):
        return jnp.abs(x - 0.1234567)

    inside = []

    @jax.jit
    def traced(x):
        word = nn.Elementwise(kinked)
        inside.append(word.kinks)
        return word(x)

    assert traced(jnp.ones(3)).dtype == jnp.float32
    assert inside == [(0.1234567,)]
    assert kinks(kinked) == (0.1234567,)
    assert find_kinks(kinked) == (0.1234567,)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        (nn.Relu(), False),
        (nn.Tanh(), False),
        (nn.HardTanh(), False),
        (nn.Step(), True),
        (nn.Sign(), True),
        (nn.Elementwise(jnp.cbrt), False),
        (nn.Elementwise(lambda u: 1e4 * jnp.abs(u - 2)), False),
        (nn.Elementwise(lambda u: jnp.where(u > 0.3, u + 1e-3, u)), True),
        (nn.Elementwise(jnp.round, kinks=(-1.5, -0.5, 0.5, 1.5)), True),
    ],
    ids=repr,
)
def test_jumps_are_told_from_kinks(activation, expected):
    assert has_jumps(activation) is expected
