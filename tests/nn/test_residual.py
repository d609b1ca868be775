"""Residual blocks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn

KEY = jax.random.key(0)


def test_adds_the_shortcut():
    net = nn.Residual(nn.Dense(3), shortcut=nn.Sequential(nn.Dense(3, b_std=1.0), nn.Tanh()))
    params, x = net.init(KEY, (4,)), jnp.linspace(-1, 1, 8).reshape(2, 4)
    body = net.body.apply(params["body"], x)
    shortcut = net.shortcut.apply(params["shortcut"], x)
    np.testing.assert_allclose(net.apply(params, x), body + shortcut, rtol=1e-6)


def test_the_identity_is_the_default_shortcut():
    net = nn.Residual(nn.Dense(4))
    params, x = net.init(KEY, (4,)), jnp.linspace(-1, 1, 8).reshape(2, 4)
    np.testing.assert_allclose(net.apply(params, x), x + net.body.apply(params["body"], x), rtol=1e-6)


def test_branches_draw_independently():
    params = nn.Residual(nn.Dense(4), shortcut=nn.Dense(4)).init(KEY, (4,))
    assert not np.allclose(params["body"]["weight"], params["shortcut"]["weight"])


def test_refuses_branches_of_different_shapes():
    net = nn.Sequential(nn.Relu(), nn.Residual(nn.Dense(3)))
    with pytest.raises(ValueError, match=r"Residual at position 1 adds .* input \(4,\) these are \(3,\) and \(4,\)"):
        net.init(KEY, (4,))


def test_refuses_what_is_not_a_layer():
    with pytest.raises(TypeError, match=r"Residual's shortcut must be a layer.*wrap it: nn\.Elementwise\(jnp\.tanh\)"):
        nn.Residual(nn.Dense(3), shortcut=jnp.tanh)
