"""Networks on graphs, and sums over neighbours."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn

KEY = jax.random.key(0)
NODES, FEATURES = 4, 3
NTK = nn.Sequential().network_parameterization()


def _graphs(isolated=True):
    """Two weighted, directed graphs; in the first, node 2 receives from nobody."""
    generator = np.random.default_rng(0)
    adjacency = generator.uniform(0.1, 2, size=(2, NODES, NODES))
    if isolated:
        adjacency[0, 2] = 0
    return adjacency, generator.normal(size=(2, NODES, FEATURES))


def _aggregated(adjacency, features, normalize, self_loops):
    """By loops over pairs of nodes."""
    y = np.zeros_like(features)
    for a, x, out in zip(adjacency, features, y, strict=True):
        a = a + np.eye(len(a)) if self_loops else a
        degree = [sum(row) for row in a]
        for p, q in np.ndindex(*a.shape):
            weight = a[p, q]
            if normalize == "mean":
                weight = weight / degree[p] if degree[p] else 0
            elif normalize == "symmetric":
                weight = weight / np.sqrt(degree[p] * degree[q]) if degree[p] and degree[q] else 0
            out[p] += weight * x[q]
    return y


@pytest.mark.parametrize("normalize", ["none", "mean", "symmetric"])
@pytest.mark.parametrize("self_loops", [False, True])
def test_formula(normalize, self_loops, x64):
    adjacency, features = _graphs()
    net = nn.GraphNetwork(nn.Aggregate(normalize, self_loops=self_loops))
    y = net.apply(((),), np.concatenate([adjacency, features], axis=-1))
    np.testing.assert_allclose(y, _aggregated(adjacency, features, normalize, self_loops), rtol=1e-12, atol=1e-14)
    if not self_loops:
        np.testing.assert_array_equal(y[0, 2], 0)


def test_layers_see_the_features_and_the_graph(x64, standard_normal):
    adjacency, features = _graphs()
    net = nn.GraphNetwork(
        nn.Linear(5, b_std=0.5), nn.Residual(nn.Sequential(nn.Relu(), nn.Aggregate())), nn.GlobalSumPool(), nn.Dense(2)
    )
    params, x = standard_normal(net, (NODES, NODES + FEATURES)), np.concatenate([adjacency, features], axis=-1)
    hidden = np.asarray(nn.Linear(5, b_std=0.5).apply(params[0], features))
    hidden = hidden + _aggregated(adjacency, np.maximum(hidden, 0), "none", False)
    expected = nn.Dense(2).apply(params[3], hidden.sum(1))
    np.testing.assert_allclose(jax.jit(net.apply)(params, x), expected, rtol=1e-12)
    assert net.output_shape((NODES, NODES + FEATURES)) == (2,)
    assert eval(repr(net)) == net


def test_repeats_share_the_graph(x64):
    adjacency, features = _graphs()
    x = np.concatenate([adjacency, features], axis=-1)
    net = nn.GraphNetwork(nn.Repeat(nn.Aggregate("mean"), 3))
    expected = features
    for _ in range(3):
        expected = _aggregated(adjacency, expected, "mean", False)
    np.testing.assert_allclose(net.apply(net.init(KEY, x.shape[1:]), x), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "wrap", [lambda *ls: nn.Masked(nn.GraphNetwork(*ls)), lambda *ls: nn.GraphNetwork(nn.Masked(*ls))]
)
@pytest.mark.parametrize("normalize", ["none", "mean", "symmetric"])
def test_masked_nodes_are_absent(wrap, normalize, x64, standard_normal):
    """A graph padded by two nodes, whose columns hold what they like, equals the graph itself."""
    adjacency, features = _graphs(isolated=False)
    layers = (nn.Linear(5, b_std=0.5), nn.Aggregate(normalize, self_loops=True), nn.Tanh(), nn.GlobalAvgPool())
    padded = np.zeros((2, 6, 6 + FEATURES))
    padded[:, :NODES, :6] = np.random.default_rng(1).uniform(size=(2, NODES, 6))
    padded[:, :NODES, :NODES], padded[:, :NODES, 6:] = adjacency, features
    padded_net, net = wrap(*layers), nn.GraphNetwork(*layers)
    (params,) = standard_normal(padded_net, padded.shape[1:])
    expected = net.apply(params, np.concatenate([adjacency, features], axis=-1))
    np.testing.assert_allclose(padded_net.apply((params,), padded), expected, rtol=1e-12)


def test_gradients_are_finite_at_isolated_nodes():
    adjacency, features = _graphs()
    for normalize in ("mean", "symmetric"):
        net = nn.GraphNetwork(nn.Aggregate(normalize))
        x = jnp.asarray(np.concatenate([adjacency, features], axis=-1), jnp.float32)
        assert np.isfinite(jax.grad(lambda x, net=net: net.apply(((),), x).sum())(x)).all()


def test_refuses_negative_weights_where_degrees_divide():
    adjacency, features = _graphs()
    adjacency[1, 0, 3] = -1
    x = np.concatenate([adjacency, features], axis=-1)
    nn.GraphNetwork(nn.Aggregate()).apply(((),), x)
    for normalize in ("mean", "symmetric"):
        with pytest.raises(
            ValueError, match=r"it has -1 at \(example, row, column\) \(1, 0, 3\); use normalize='none'"
        ):
            nn.GraphNetwork(nn.Aggregate(normalize)).apply(((),), x)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: nn.Aggregate("max"),
            ValueError,
            "normalize must be one of 'none', 'mean', 'symmetric'; received 'max'",
        ),
        (lambda: nn.Aggregate(self_loops=1), TypeError, "self_loops must be True or False; received 1"),
        (
            lambda: nn.Aggregate().output_shape((4, 3)),
            nn.ShapeError,
            r"Aggregate needs a graph; .* inside nn\.GraphNetwork",
        ),
        (lambda: nn.Aggregate().forward((), jnp.ones((1, 4, 3)), None, NTK), nn.ShapeError, "needs a graph"),
        (
            lambda: nn.GraphNetwork(nn.Flatten(), nn.Aggregate()).output_shape((4, 7)),
            nn.ShapeError,
            r"Aggregate at position 1 in GraphNetwork expects the features of the 4 nodes of its graph, \(4, C\); .* \(12,\)",
        ),
        (
            lambda: nn.GraphNetwork().output_shape((4, 4)),
            nn.ShapeError,
            r"expects \(nodes, nodes \+ features\).* \(4, 4\)",
        ),
        (lambda: nn.GraphNetwork().output_shape((7,)), nn.ShapeError, r"expects \(nodes, nodes \+ features\)"),
        (
            lambda: nn.GraphNetwork(nn.GraphNetwork()).output_shape((2, 7)),
            nn.ShapeError,
            "GraphNetwork at position 0 in GraphNetwork is inside another",
        ),
        (lambda: nn.GraphNetwork(3), TypeError, "GraphNetwork's layer 0 must be a layer"),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()
