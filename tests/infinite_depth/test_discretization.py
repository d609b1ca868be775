"""ODE networks as residual networks: the same numbers as the solver's equal steps."""

import jax
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.infinite_depth import residual_network

KEY = jax.random.key(0)
FIELD = nn.Sequential(nn.Dense(6, b_std=0.5), nn.Tanh(), nn.Dense(4))


def agree(network, shape, method, depth):
    """The network with equal steps, and the residual network, in double precision: 1e-12 is a hundred times their rounding."""
    params = network.init(KEY, shape, dtype=np.float64)
    blocks, own = residual_network(network, params, depth, method)
    assert "NeuralODE" not in repr(blocks)
    assert eval(repr(blocks), {"nn": nn}) == blocks
    x = np.random.default_rng(0).standard_normal((3, *shape))
    np.testing.assert_allclose(blocks.apply(own, x), network.apply(params, x), rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_time_and_added_channels_in_a_network():
    ode = nn.NeuralODE(FIELD, True, augment=1, span=(0.5, 2.0), solver="euler", steps=3)
    net = nn.Sequential(ode, nn.Dense(2), parameterization="mup")
    agree(net, (3,), "euler", 3)


@pytest.mark.slow
def test_midpoint_steps_within_combinators():
    options = {"solver": "midpoint", "steps": 4}
    wide = nn.NeuralODE(nn.Sequential(nn.Dense(6), nn.Tanh(), nn.Dense(4)), True, **options)
    net = nn.Sequential(
        nn.Repeat(nn.Sequential(nn.Dense(4), wide), 3),
        nn.Parallel(wide, nn.Identity()),
        nn.Residual(nn.NeuralODE(nn.Dense(4), **options)),
        nn.Dense(1),
        parameterization="mup",
    )
    agree(net, (5,), "midpoint", 4)


def test_words_that_take_the_depth_keep_it():
    """Two blocks: the field is divided by 2, not by the number of the solver's steps."""
    field = nn.Sequential(nn.Dense(3), nn.Tanh(), nn.DepthScale(1.0))
    agree(nn.Repeat(nn.NeuralODE(field, solver="euler", steps=5), 2), (3,), "euler", 5)
    with pytest.raises(ValueError, match=r"such as nn\.DepthScale, outside of all"):
        residual_network(nn.NeuralODE(nn.DepthScale(1.0), solver="euler", steps=5), (), 5)


@pytest.mark.slow
def test_masked_images():
    field = nn.Sequential(nn.Conv(3, 3), nn.Tanh(), nn.Conv(2, 3))
    agree(nn.Masked(nn.NeuralODE(field, True, solver="euler", steps=2), nn.GlobalAvgPool()), (6, 2), "euler", 2)


def test_bad_input():
    ode = nn.NeuralODE(nn.Dense(3))
    params = ode.init(KEY, (3,))
    with pytest.raises(ValueError, match="method must be one of 'euler', 'midpoint'; received 'rk4'"):
        residual_network(ode, params, 4, "rk4")
    with pytest.raises(ValueError, match="depth must be an integer, at least 1; received 0"):
        residual_network(ode, params, 0)
    with pytest.raises(ValueError, match=r"network must hold an nn.NeuralODE; received nn.Dense\(3\)"):
        residual_network(nn.Dense(3), params, 4)
    with pytest.raises(NotImplementedError, match="not inside another layer"):
        residual_network(nn.GraphNetwork(ode), (params,), 4)
