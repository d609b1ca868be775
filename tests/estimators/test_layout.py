"""Which entries of an example are standardised."""

import numpy as np
import pytest

from nnlimits import nn, presets
from nnlimits.estimators.layout import input_standardization, layout, unstandardized

BODY = (nn.Linear(1), nn.GlobalAvgPool(), nn.Dense(1))
GRAPH = (nn.Aggregate(), *BODY)


@pytest.mark.parametrize(
    ("network", "edges", "hidden", "masked", "tokens"),
    [
        (presets.cnn(1), 0, 0, False, False),
        (nn.Sequential(nn.Sequential(nn.Embedding(3, 1)), *BODY), 0, 0, False, True),
        (nn.Masked(nn.Embedding(3, 1), *BODY), 0, 0, True, True),
        (nn.Masked(*BODY), 0, 0, True, False),
        (nn.GraphNetwork(*GRAPH), 4, 0, False, False),
        (nn.Masked(nn.GraphNetwork(*GRAPH)), 4, 0, True, False),
        (nn.GraphNetwork(nn.Masked(*GRAPH)), 4, 4, True, False),
    ],
    ids=["plain", "tokens", "masked tokens", "masked", "graph", "masked graph", "graph of masked"],
)
def test_layout_is_read_off_the_first_layers(network, edges, hidden, masked, tokens):
    found = layout(network, (4, 6))
    assert (found.edges, found.hidden, found.masked is not None, found.tokens) == (edges, hidden, masked, tokens)
    assert found.plain == (not (edges or masked or tokens))


@pytest.mark.parametrize("outside", [True, False], ids=["mask outside", "mask inside"])
def test_padded_graphs(outside):
    """Nodes that are padding stay zero, the edges stay, and the features of the other nodes are standardised."""
    network = nn.Masked(nn.GraphNetwork(*GRAPH)) if outside else nn.GraphNetwork(nn.Masked(*GRAPH))
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.integers(0, 2, (5, 4, 4)).astype(float), 3 + rng.normal(size=(5, 4, 2))], axis=-1)
    x[:, 3], x[:, :, 3] = 0, 0
    z = input_standardization(x, layout(network, (4, 6))).apply(x)
    np.testing.assert_array_equal(z[:, 3], 0)
    np.testing.assert_array_equal(z[..., :4], x[..., :4])
    np.testing.assert_allclose(z[:, :3, 4:].mean((0, 1)), 0, atol=1e-12)
    np.testing.assert_allclose(z[:, :3, 4:].std((0, 1)), 1, rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_what_is_standardised_to_the_padding_is_not_taken_for_it(value):
    """A channel that is constant is centred to zeros, and one value of another may come to lie on any number."""
    network = nn.Masked(*BODY, value=value)
    x = np.array([[[1.0], [1.0], [value]], [[1.0], [value], [value]]])
    standard = input_standardization(x, layout(network, (3, 1)))
    z = standard.apply(x)
    np.testing.assert_array_equal(np.asarray(network.mask(z)), np.asarray(network.mask(x)))
    np.testing.assert_allclose(z[x == 1.0], 0.0, atol=1e-8)
    new = np.array([[[1.0 + value], [value], [value]]])  # standardised to the value of padding
    assert not np.asarray(network.mask(standard.apply(new)))[0, 0]


def test_nothing_changes_without_standardisation():
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    np.testing.assert_array_equal(unstandardized(x, layout(nn.Masked(*BODY), (4, 2))).apply(x), x)
