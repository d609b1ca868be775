"""The comparison of a model with the limit of its expression."""

import jax
import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn


def _agrees(build, net, x, inputs=None, *, draws=16, width):
    inputs = x if inputs is None else inputs
    f, params = nl.empirical.as_function(build(0))
    sizes = [np.size(leaf) if not hasattr(leaf, "numel") else leaf.numel() for leaf in jax.tree.leaves(params)]
    assert nn.count_parameters(net, inputs.shape[1:]) == sum(sizes)
    found = []
    for seed in range(draws):
        params = nl.empirical.as_function(build(seed))[1]
        found.append(np.asarray(nl.empirical.ntk(f, params, x, outputs="trace"), float))
    exact = np.asarray(nl.kernel(net).ntk(inputs))
    scale = np.sqrt(np.outer(exact.diagonal(), exact.diagonal()))
    error = np.std(found, axis=0) / np.sqrt(draws)
    assert (error < 0.05 * scale).all()
    np.testing.assert_array_less(np.abs(np.mean(found, axis=0) - exact), 5 * error + 2 / width * scale)


@pytest.fixture
def agrees():
    """`agrees(build, net, x, inputs, width=width)`: the empirical NTK of `build(seed)` at `x`, over 16 seeds, is on average that
    of the infinite `net` at `inputs`, and both have as many parameters.

    The mean is within 5 standard errors (of 15 degrees of freedom, so exceeded by chance once in 6,000 entries), none of which is
    more than 5 %, and 2/width for finite width.
    """
    return _agrees
