"""Networks for graphs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.presets import gcn


def test_gcn_is_what_its_docstring_says():
    hidden = (nn.Aggregate("symmetric", self_loops=True), nn.Linear(8, w_std=1.2, b_std=0.3), nn.Erf())
    net = gcn(2, 8, nn.Erf(), w_std=1.2, b_std=0.3, readout=nn.GlobalAvgPool(), outputs=4)
    assert net == nn.GraphNetwork(*hidden, *hidden, nn.GlobalAvgPool(), nn.Dense(4))
    assert gcn().output_shape((5, 8)) == (1,)


def test_gcn_does_not_depend_on_the_order_of_the_nodes():
    generator = np.random.default_rng(0)
    adjacency = generator.integers(0, 2, size=(5, 5)).astype(np.float32)
    adjacency, features = adjacency + adjacency.T, generator.normal(size=(5, 3)).astype(np.float32)
    order = generator.permutation(5)
    graphs = [np.hstack([adjacency, features]), np.hstack([adjacency[order][:, order], features[order]])]
    net = gcn(width=16)
    first, second = jax.jit(net.apply)(net.init(jax.random.key(0), (5, 8)), jnp.asarray(graphs))
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)
    assert not np.array_equal(*graphs)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"depth": 0}, ValueError, "depth must be an integer, at least 1; received 0"),
        ({"width": 0}, ValueError, "width must be an integer, at least 1; received 0"),
        ({"outputs": 0}, ValueError, "outputs must be an integer, at least 1; received 0"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        gcn(**arguments)
