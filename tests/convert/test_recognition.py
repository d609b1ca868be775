"""Functions of entries as words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.convert.recognition import word_of


@pytest.mark.parametrize(
    ("function", "word"),
    [
        (lambda x: x, nn.Identity()),
        (jax.nn.relu, nn.Relu()),
        (jnp.tanh, nn.Tanh()),
        (lambda x: jax.nn.gelu(x, approximate=False), nn.Gelu()),
        (lambda x: x * jax.nn.sigmoid(x), nn.Silu()),
        (jax.nn.leaky_relu, nn.LeakyRelu()),
        (lambda x: jnp.where(x < 0, -x, 2 * x), nn.ABRelu(-1.0, 2.0)),
        (lambda x: -0.25 * x, nn.Scale(-0.25)),
        (jax.nn.softplus, nn.Softplus()),
        (lambda x: x**3, nn.Monomial(3)),
    ],
)
def test_known_functions(function, word):
    assert word_of(function) == word


def test_other_functions_stay_what_they_are():
    word = word_of(jnp.arctan)
    assert word == nn.Elementwise(jnp.arctan)
    np.testing.assert_allclose(word(jnp.float32(0.5)), np.arctan(0.5), rtol=1e-6)


@pytest.mark.parametrize("function", [jnp.sum, jnp.cumsum, jnp.sort, jax.nn.softmax, jnp.ravel, lambda x: x.T])
def test_functions_that_mix_entries(function):
    assert word_of(function) is None
