"""Dropout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn


def test_without_a_key_it_is_the_identity():
    x = jnp.linspace(-1, 1, 6).reshape(2, 3)
    np.testing.assert_array_equal(nn.Dropout(0.5).apply((), x), x)


def test_with_a_key_it_drops_the_rate_and_rescales_the_rest():
    """10^5 features, seed 0: the fraction dropped has deviation 0.0014; the tolerance is four of them."""
    y = nn.Dropout(0.3).apply((), jnp.ones((10, 10_000)), key=jax.random.key(0))
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7], rtol=1e-6)
    assert np.mean(np.asarray(y) == 0) == pytest.approx(0.3, abs=0.006)


def test_a_traced_rate_works():
    x = jnp.ones((2, 3))
    y = jax.jit(lambda rate: nn.Dropout(rate).apply((), x, key=jax.random.key(0)))(0.0)
    np.testing.assert_array_equal(y, x)


def test_layers_of_a_network_draw_independently():
    net = nn.Parallel(nn.Dropout(0.5), nn.Dropout(0.5), merge=nn.Concatenate())
    y = net.apply(((), ()), jnp.ones((1, 64)), key=jax.random.key(0))
    assert not np.array_equal(y[0, :64], y[0, 64:])


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5])
def test_refuses_rates_outside_the_unit_interval(rate):
    with pytest.raises(ValueError, match=r"rate must be in \[0, 1\); received"):
        nn.Dropout(rate)
