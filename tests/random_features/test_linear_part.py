"""The linear part of activations against sums over a fine grid."""

import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.random_features.linear_part import linear_part

ACTIVATIONS = [
    nn.Relu(),
    nn.LeakyRelu(0.2),
    nn.ABRelu(-0.5, 1.5),
    nn.Abs(),
    nn.Step(),
    nn.Sign(),
    nn.Tanh(),
    nn.Erf(),
    nn.Gelu(),
    nn.Elu(),
    pytest.param(nn.HardTanh(), marks=pytest.mark.slow),
    nn.Cos(1.0, 1.5),
    nn.Sigmoid(),
]
STEP = 1e-4
MIDPOINTS = (np.arange(240_000) - 119_999.5) * STEP
DENSITY = np.exp(-(MIDPOINTS**2) / 2) / np.sqrt(2 * np.pi) * STEP


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_constant_and_slope(activation, x64):
    """At variances that networks have. The grid has no point at zero, where functions jump; its error at kinks is the square of
    its step, 1e-8, and the quadrature's own in double precision below 1e-7.
    """
    for variance in (0.01, 1.0, 9.0):
        found = linear_part(activation, jnp.asarray([variance]))
        weighted = np.asarray(activation(jnp.asarray(np.sqrt(variance) * MIDPOINTS))) * DENSITY
        np.testing.assert_allclose(np.ravel(found.constant), [weighted.sum()], atol=2e-7)
        np.testing.assert_allclose(np.ravel(found.slope) * variance**0.5, [weighted @ MIDPOINTS], atol=2e-7)
