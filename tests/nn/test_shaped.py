"""Shaped rectifiers: slopes that depend on the depth of the `Repeat`."""

import math

import jax
import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn, signal

X = np.random.default_rng(0).standard_normal((3, 4))


def network(activation, depth=9):
    return nn.Sequential(nn.Dense(6), nn.Repeat(nn.Sequential(activation, nn.Dense(6)), depth), nn.Dense(1))


def test_is_a_rectifier_of_these_slopes(x64):
    """At depth 9, slopes are 1 + 0.6 / 3 and 1 - 1.5 / 3, over the root of the mean of their squares."""
    positive, negative = np.array([1.2, 0.5]) / np.sqrt((1.2**2 + 0.5**2) / 2)
    shaped, plain = network(nn.ShapedRelu(0.6, -1.5)), network(nn.ABRelu(negative, positive))
    params = shaped.init(jax.random.key(0), (4,))
    np.testing.assert_allclose(shaped.apply(params, X), plain.apply(params, X), rtol=1e-13)


def test_keeps_variances(x64):
    found = nl.kernel(network(nn.ShapedRelu(2.0, -3.0)))(X).nngp
    np.testing.assert_allclose(np.diag(found), (X**2).sum(1) / 4, rtol=1e-13)
    block = signal.repeated_block(network(nn.ShapedRelu(2.0, -3.0)))
    assert isinstance(block.layers[0], nn.ABRelu)


def test_limit_is_the_identity():
    assert nn.ShapedRelu(1.0, -1.0).at_depth(math.inf) == nn.Identity()


def test_bad_input():
    with pytest.raises(nn.ShapeError, match=r"ShapedRelu at position 1 stands in no nn\.Repeat"):
        nn.Sequential(nn.Dense(4), nn.ShapedRelu(1.0, 0.0)).init(jax.random.key(0), (4,))
    with pytest.raises(ValueError, match="c_plus must be finite"):
        nn.ShapedRelu(math.nan, 0.0)
    with pytest.raises(ValueError, match=r"at depth 4 has two slopes of zero"):
        network(nn.ShapedRelu(-2.0, -2.0), 4).output_shape((3,))
    assert repr(nn.ShapedRelu(1.0, -2.0)) == "nn.ShapedRelu(1.0, -2.0)"
