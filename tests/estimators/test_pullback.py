import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn, presets
from nnlimits.estimators.pullback import pullback


def make(w_std, network, kernel, x1, x2):
    rescaled = nn.Sequential(nn.Dense(1, w_std=w_std, b_std=0.1), nn.Relu(), network.layers[-1])
    return getattr(nl.kernel(rescaled), kernel)(x1, x2)


@pytest.mark.parametrize(("n", "kernel"), [(5, "ntk"), pytest.param(300, "nngp", marks=pytest.mark.slow)])
def test_tiles_add_up_to_the_gradient_of_the_whole(n, kernel):
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(n, 4)), rng.normal(size=(n, n))
    weights += weights.T
    with jax.enable_x64(True):
        network = presets.mlp(depth=1)
        found = pullback(make, jnp.asarray(1.3), network, kernel, x, weights)
        expected = jax.grad(lambda w: jnp.sum(weights * make(w, network, kernel, jnp.asarray(x), None)))(1.3)
    assert float(found) == pytest.approx(float(expected), rel=1e-10)
