"""What networks with positions cannot take, said in words through `nl.kernel(network)(x)`; and right answers at the edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from full_covariance import kernels

import nnlimits as nl
from nnlimits import nn

RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((3, 4, 5, 2))
SEQUENCES = RNG.standard_normal((3, 5, 2))
EMPTY = np.concatenate([SEQUENCES[:2], np.zeros((1, 5, 2))])
TOKENS = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])
GRAPHS = np.concatenate([-np.ones((2, 3, 3)), RNG.standard_normal((2, 3, 2))], -1)
CONV, RELU, AVERAGE = nn.Conv(4, 3), nn.Relu(), nn.GlobalAvgPool()
EMBEDDING = nn.Embedding(3, 4)

SHAPES = [
    ((nn.Conv(4, 3, 6), RELU, AVERAGE), IMAGES, r"stride \(6, 6\), larger than .* smaller stride"),
    ((nn.Conv(4, 2, padding="circular"), RELU, AVERAGE), IMAGES, "odd extent"),
    ((CONV, nn.AvgPool(2, padding="circular"), AVERAGE), IMAGES, "AvgPool at position 1 .* odd extent"),
    ((nn.ConvTranspose(4, 2, padding="circular"), RELU, AVERAGE), IMAGES, "odd size"),
    ((nn.Conv(4, 3, 2, "circular"), RELU, AVERAGE), IMAGES, "stride that divides"),
    ((nn.Conv(4, 5, padding="valid"), RELU, AVERAGE), IMAGES, "padding='same'"),
    ((nn.Conv(4, (3, 3, 3)), RELU, AVERAGE), IMAGES, "has 2 position axes"),
    ((CONV, RELU, AVERAGE), IMAGES[0, 0], "Add a channel axis"),
    ((CONV, nn.ImageResize((3,)), AVERAGE), IMAGES, r"resizes 1 position axes to \(3,\)"),
    ((CONV, nn.Index(7), AVERAGE), IMAGES, "picks position 7 of axis 0, whose size is 4"),
    ((CONV, nn.Residual(nn.Sequential(RELU, nn.Conv(4, 3, 2))), AVERAGE), IMAGES, "Make them equal"),
    ((CONV, RELU), IMAGES, r"Dense at position 2 expects a flat input; .* Add nn\.Flatten\(\)"),
    ((nn.Rnn(4), nn.Flatten()), IMAGES, "expects a sequence"),
    ((nn.Masked(nn.Conv(4, 3, 2), RELU, AVERAGE),), SEQUENCES, "Inside nn.Masked, keep all positions"),
    ((nn.Masked(CONV, RELU, AVERAGE),), EMPTY, "all positions of example 2 equal 0"),
    ((nn.Masked(CONV, RELU), AVERAGE), SEQUENCES, r"nn\.Masked ends with positions, \(5, 4\).*nn\.GlobalAvgPool"),
    ((nn.Aggregate(), nn.Linear(4), RELU, AVERAGE), SEQUENCES, r"inside nn\.GraphNetwork"),
    ((nn.GraphNetwork(nn.Linear(4), RELU, AVERAGE),), SEQUENCES, "adjacency matrix and the features side by side"),
    (
        (nn.GraphNetwork(nn.Aggregate("mean"), nn.Linear(4), RELU, AVERAGE),),
        GRAPHS,
        "must not be negative; it has -1 at",
    ),
    ((nn.Embedding(2, 4), RELU, AVERAGE), TOKENS, r"integers from 0 to 1; x has 2 at index \(0, 2\)"),
    ((EMBEDDING, RELU, AVERAGE), TOKENS - 1, "x has -1 at"),
    ((EMBEDDING, RELU, AVERAGE), TOKENS + 0.5, "x has 0.5 at"),
    ((nn.Masked(nn.Embedding(2, 4), RELU, AVERAGE),), TOKENS, "integers from 0 to 1; x has 2"),
    ((nn.Parallel(nn.Embedding(2, 4), EMBEDDING), RELU, AVERAGE), TOKENS, "integers from 0 to 1; x has 2"),
]


@pytest.mark.parametrize(("layers", "x", "message"), SHAPES, ids=[f"{case[2]}" for case in SHAPES])
def test_what_does_not_fit(layers, x, message):
    kernel = nl.kernel(nn.Sequential(*layers, nn.Dense(1)))
    for call in (kernel, kernel.diagonal, kernel.ntk):
        with pytest.raises(ValueError, match=message):
            call(x)


def test_outputs_with_positions():
    with pytest.raises(ValueError, match=r"outputs have positions, \(4, 5, 4\).*nn\.GlobalAvgPool"):
        nl.kernel(nn.Sequential(CONV, RELU))(IMAGES)


NOT_GAUSSIAN = "units that are not Gaussian.*nn.Conv or nn.Linear"
FIRST = "as the first layer of a network only"
NO_RULE = [
    ((RELU, AVERAGE), IMAGES, NOT_GAUSSIAN),
    ((nn.Flatten(), RELU), IMAGES, NOT_GAUSSIAN),
    ((nn.LayerNorm(), CONV, RELU, AVERAGE), IMAGES, NOT_GAUSSIAN),
    ((CONV, RELU, nn.AvgPool(2), RELU, AVERAGE), IMAGES, NOT_GAUSSIAN),
    ((CONV, nn.LayerNorm(axes=(0, 1)), RELU, AVERAGE), IMAGES, "add -1 to axes"),
    ((CONV, nn.Residual(RELU), AVERAGE), IMAGES, "correlated at infinite width"),
    ((CONV, nn.Index(slice(None, None, -1)), AVERAGE), IMAGES, "use a positive step"),
    ((nn.SelfAttention(4, scaling="sqrt"), RELU, AVERAGE), SEQUENCES, "Use scaling='linear'"),
    ((CONV, nn.Masked(RELU, CONV, AVERAGE)), SEQUENCES, rf"nn\.Masked has an infinite-width kernel {FIRST}"),
    ((nn.Linear(8), nn.GraphNetwork(CONV, RELU, AVERAGE)), SEQUENCES, rf"nn\.GraphNetwork .* {FIRST}"),
    ((CONV, EMBEDDING, RELU, AVERAGE), SEQUENCES, rf"nn\.Embedding .* {FIRST}"),
    ((nn.Flatten(), EMBEDDING, RELU, AVERAGE), TOKENS, rf"nn\.Embedding .* {FIRST}"),
    ((nn.Repeat(EMBEDDING, 1), RELU, AVERAGE), TOKENS, r"outside nn\.Repeat"),
    ((nn.Parallel(nn.Sequential(EMBEDDING, nn.Flatten(), nn.Dense(4)), nn.Dense(4)),), TOKENS, "each of its branches"),
]


@pytest.mark.parametrize(("layers", "x", "message"), NO_RULE, ids=[f"{i}" for i in range(len(NO_RULE))])
def test_what_has_no_kernel(layers, x, message):
    kernel = nl.kernel(nn.Sequential(*layers, nn.Dense(1)))
    for call in (kernel, kernel.diagonal, lambda x: jax.jit(kernel)(jnp.asarray(x, jnp.float32))):
        with pytest.raises(NotImplementedError, match=message):
            call(x)


@pytest.mark.slow
@pytest.mark.parametrize(
    "normalize",
    ["symmetric", pytest.param("mean", marks=pytest.mark.slow), pytest.param("none", marks=pytest.mark.slow)],
)
def test_isolated_nodes(normalize):
    """They receive nothing: without self-loops and biases, a graph of such nodes has a kernel of zero, and a node of degree zero
    adds what the bias gives.
    """
    rng = np.random.default_rng(0)
    adjacency = np.zeros((3, 4, 4))
    adjacency[1, 0, 1] = adjacency[1, 1, 0] = adjacency[2, 2, 3] = adjacency[2, 3, 2] = 1.0
    x = np.concatenate([adjacency, rng.standard_normal((3, 4, 2))], -1)
    for b_std in (0.0, 0.3):
        body = nn.GraphNetwork(nn.Aggregate(normalize), nn.Linear(4, b_std=b_std), RELU, AVERAGE)
        net = nn.Sequential(body, nn.Dense(1))
        for found, expected in zip(nl.kernel(net)(x), kernels(net, x), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-80)
            assert np.isfinite(np.asarray(found)).all()


@pytest.mark.parametrize(
    "body",
    [
        nn.GraphNetwork(nn.Flatten()),
        nn.Masked(nn.Flatten(), value=7.0),
        pytest.param(nn.Masked(nn.GraphNetwork(nn.Flatten()), value=7.0), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_flatten_first_sees_what_the_wrapper_leaves(body):
    """Not the adjacency matrix, and zeros in the place of what is masked."""
    x = np.random.default_rng(0).standard_normal((3, 4, 6))
    x[1, 2:] = 7.0
    net = nn.Sequential(body, nn.Dense(4, 1.2, 0.3), nn.Relu(), nn.Dense(1))
    for found, expected in zip(nl.kernel(net)(x), kernels(net, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
