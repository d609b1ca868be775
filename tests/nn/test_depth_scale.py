"""Multiplication by a power of the depth: in a `Repeat`, that of a constant."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn, signal
from nnlimits.fluctuations.network import read

KEY = jax.random.key(0)
X = np.random.default_rng(0).standard_normal((3, 4))


def block(*scale):
    return nn.Residual(nn.Sequential(nn.Erf(), nn.Dense(4, w_std=1.3, b_std=0.2), *scale))


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_is_a_constant_at_finite_depth(exponent, x64):
    net, constant = nn.Repeat(block(nn.DepthScale(exponent)), 5), nn.Repeat(block(nn.Scale(5**-exponent)), 5)
    params = net.init(KEY, (4,))
    jax.tree.map(np.testing.assert_array_equal, params, constant.init(KEY, (4,)))
    np.testing.assert_allclose(net.apply(params, X), constant.apply(params, X), rtol=1e-14)


@pytest.mark.slow
def test_interpreters_that_know_repeat_see_the_constant(x64):
    def network(scale):
        return nn.Sequential(nn.Repeat(nn.Sequential(nn.Dense(4), block(scale)), 3))

    words = network(nn.DepthScale(1.0)), network(nn.Scale(1 / 3))
    found, expected = (nl.kernel(word)(X) for word in words)
    np.testing.assert_allclose(found.ntk, expected.ntk, rtol=1e-14)
    np.testing.assert_allclose(found.nngp, expected.nngp, rtol=1e-14)
    assert signal.repeated_block(words[0]) == signal.repeated_block(words[1])

    def plain(scale):
        row = nn.Sequential(nn.Tanh(), nn.Dense(8), scale)
        return nn.Sequential(nn.Dense(8), nn.Repeat(row, 4), nn.Tanh(), nn.Dense(1))

    one, other = (read(plain(scale), jnp.asarray(X)).steps for scale in (nn.DepthScale(0.5), nn.Scale(0.5)))
    assert len(one) == 5
    assert jax.tree.leaves(one) == jax.tree.leaves(other)


def test_the_innermost_repeat_counts(x64):
    net = nn.Repeat(nn.Sequential(nn.Repeat(nn.DepthScale(1.0), 2), nn.DepthScale(1.0)), 3)
    np.testing.assert_allclose(net.apply(net.init(KEY, (4,)), X), X * (1 / 2**2 / 3) ** 3, rtol=1e-14)


def test_at_infinite_depth():
    net = nn.Repeat(block(nn.DepthScale()), math.inf)
    assert net.output_shape((4,)) == (4,)
    assert net.resolved_block() == block(nn.Scale(0.0))
    with pytest.raises(NotImplementedError, match="infinite depth"):
        net.init(KEY, (4,))


def test_outside_a_repeat():
    with pytest.raises(nn.ShapeError, match=r"DepthScale at position 1 stands in no nn\.Repeat"):
        nn.Sequential(nn.Dense(4), nn.DepthScale()).init(KEY, (4,))
    with pytest.raises(ValueError, match="exponent must be at least 0"):
        nn.DepthScale(-1.0)
    assert repr(nn.DepthScale(1.0)) == "nn.DepthScale(exponent=1.0)"


def test_widths_are_found_through_it():
    net = nn.Sequential(nn.Dense(8), nn.Repeat(nn.Sequential(nn.Dense(8), nn.DepthScale()), 3), nn.Dense(1))
    expected = nn.Sequential(nn.Dense(16), nn.Repeat(nn.Sequential(nn.Dense(16), nn.DepthScale()), 3), nn.Dense(1))
    assert nn.with_width(net, 16) == expected


def test_signal_of_infinitely_many_blocks_that_do_nothing_each():
    with pytest.raises(NotImplementedError, match="change with the depth"):
        signal.repeated_block(nn.Sequential(nn.Dense(4), nn.Repeat(block(nn.DepthScale()), math.inf)))
