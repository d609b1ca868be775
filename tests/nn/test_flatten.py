"""Flattening, and doing nothing."""

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits import nn


def test_flatten_lays_out_the_last_axis_fastest():
    x = jnp.arange(24.0).reshape(2, 3, 4)
    assert nn.Flatten().output_shape((3, 4)) == (12,)
    np.testing.assert_array_equal(nn.Flatten().apply((), x), np.arange(24.0).reshape(2, 12))


def test_flatten_of_a_flat_input_is_the_identity():
    x = jnp.ones((2, 3))
    np.testing.assert_array_equal(nn.Flatten().apply((), x), x)


def test_identity():
    x = jnp.arange(24.0).reshape(2, 3, 4)
    assert nn.Identity().output_shape((3, 4)) == (3, 4)
    assert nn.Identity().init(jax.random.key(0), (3, 4)) == ()
    np.testing.assert_array_equal(nn.Identity().apply((), x), x)
