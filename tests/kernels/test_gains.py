"""Trainable gains and offsets, and biases that may be absent: their part of the NTK."""

import jax
import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn

X = np.random.default_rng(1).standard_normal((3, 3)).astype(np.float32)
IMAGES = np.random.default_rng(2).standard_normal((2, 4, 3)).astype(np.float32)


def mean_ntk(net, x, draws, seed):
    """Mean and standard error of the NTK of finite networks."""

    def one(key):
        jacobian = jax.jacrev(lambda params: net.apply(params, x)[:, 0])(net.init(key, x.shape[1:]))
        rows = [leaf.reshape(len(x), -1) for leaf in jax.tree.leaves(jacobian)]
        return sum(row @ row.T for row in rows)

    keys = jax.random.split(jax.random.key(seed, impl="unsafe_rbg"), draws)
    found = np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys))(keys), float)
    return found.mean(0), found.std(0) / np.sqrt(draws)


def dense(n):
    return nn.Dense(n, 1.3, 0.3)


GAINS = {
    "relu": lambda n: (dense(n), nn.LayerNorm(), nn.ChannelAffine(), nn.Relu()),
    "tanh, two gains": lambda n: (
        dense(n),
        nn.ChannelAffine(),
        nn.Scale(0.8),
        nn.ChannelAffine(offset=False),
        nn.Tanh(),
    ),
    "gelu": lambda n: (dense(n), nn.ChannelAffine(), nn.LayerNorm(epsilon=0.1), nn.Gelu()),
    "sum": lambda n: (
        dense(n),
        nn.Residual(nn.Sequential(nn.Relu(), dense(n), nn.ChannelAffine()), nn.ChannelAffine(gain=False)),
        dense(n),
        nn.Relu(),
        nn.ChannelAffine(),
    ),
}


@pytest.mark.parametrize(
    "name", ["relu", *(pytest.param(name, marks=pytest.mark.slow) for name in GAINS if name != "relu")]
)
def test_gains_and_offsets_against_finite_networks(name):
    """Seed 0, 400 networks of width 128: the mean within 4 standard errors (1 % or less) and 2/128 for finite width; gains and
    offsets make up more than 15 % of the NTK in this parameterization.
    """
    net = nn.Sequential(*GAINS[name](128), nn.Dense(1, 1.1, 0.2))
    found, error = mean_ntk(net, X, 400, seed=0)
    exact = np.asarray(nl.kernel(net).ntk(X))
    scale = np.sqrt(np.outer(exact.diagonal(), exact.diagonal()))
    assert (error < 0.02 * scale).all()
    np.testing.assert_array_less(np.abs(found - exact), 4 * error + 2 / 128 * scale)
    plain = nn.Sequential(*(layer for layer in net.layers if not isinstance(layer, nn.ChannelAffine)))
    if name != "sum":
        assert (nl.kernel(plain).diagonal(X).ntk < 0.85 * exact.diagonal()).all()


@pytest.mark.slow
def test_gains_over_positions():
    """As above, with 128 channels: a gain is one for all positions, so it is part of the NTK between different ones."""
    net = nn.Sequential(
        nn.Conv(128, 3, w_std=1.2, b_std=0.1),
        nn.LayerNorm(),
        nn.ChannelAffine(),
        nn.Relu(),
        nn.AvgPool(2),
        nn.Linear(128),
        nn.ChannelAffine(),
        nn.GlobalAvgPool(),
        nn.Tanh(),
        nn.Dense(1),
    )
    found, error = mean_ntk(net, IMAGES, 400, seed=0)
    exact = np.asarray(nl.kernel(net).ntk(IMAGES))
    scale = np.sqrt(np.outer(exact.diagonal(), exact.diagonal()))
    np.testing.assert_array_less(np.abs(found - exact), 4 * error + 2 / 128 * scale)


@pytest.mark.slow
def test_homogeneous_activations_agree_with_quadrature():
    """The same function in two words: by its degree, and by the integral of `u phi'(u) v phi'(v)`."""
    pairs = [
        (nn.LeakyRelu(0.2), lambda x: jax.numpy.where(x > 0, x, 0.2 * x)),
        (nn.RectifiedMonomial(2), lambda x: jax.nn.relu(x) ** 2),
    ]
    with jax.enable_x64(True):
        for word, function in pairs:
            kernels = [
                nl.kernel(nn.Sequential(nn.Dense(4), nn.ChannelAffine(), act, nn.Dense(4))).ntk(
                    X[:2].astype(np.float64)
                )
                for act in (word, nn.Elementwise(function, kinks=(0.0,)))
            ]
            np.testing.assert_allclose(*kernels, rtol=1e-8)


def test_a_gain_inside_a_sum_cannot_meet_an_activation():
    block = nn.Residual(nn.Sequential(nn.Relu(), dense(4), nn.ChannelAffine()))
    net = nn.Sequential(dense(4), block, nn.Relu(), dense(1))
    with pytest.raises(NotImplementedError, match=r"a sum of which one term ends in a trainable gain"):
        nl.kernel(net).ntk(X)
    assert nl.kernel(net).nngp(X).shape == (3, 3)


def test_a_scale_is_in_the_weights_before_it():
    scaled = nn.Sequential(nn.Dense(4, 1.5, 0.3), nn.Scale(-0.5), nn.Relu(), nn.Dense(1))
    plain = nn.Sequential(nn.Dense(4, 0.75, 0.15), nn.Relu(), nn.Dense(1))
    for found, expected in zip(nl.kernel(scaled)(X), nl.kernel(plain)(X), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


LAYERS = {
    "dense": (lambda b: nn.Dense(128, b_std=b), X, 1.0),
    "conv": (lambda b: nn.Sequential(nn.Conv(128, 3, b_std=b), nn.Flatten()), IMAGES, 1.0),
    "transposed": (lambda b: nn.Sequential(nn.ConvTranspose(128, 3, b_std=b), nn.GlobalAvgPool()), IMAGES, 1.0),
    "attention": (lambda b: nn.Sequential(nn.SelfAttention(128, b_std=b), nn.GlobalAvgPool()), IMAGES, 1.0),
    "rnn": (lambda b: nn.Sequential(nn.Rnn(128, activation=nn.Identity(), b_std=b), nn.Index(-1)), IMAGES, 4.0),
}


@pytest.mark.parametrize(
    "name", ["dense", *(pytest.param(name, marks=pytest.mark.slow) for name in LAYERS if name != "dense")]
)
def test_a_bias_of_zero_is_trained_and_one_that_is_absent_is_not(name):
    """In the standard parameterization the bias adds the square of its derivative: 1, or the number of steps of a linear
    recurrence whose weights have variance 1. The same of 50 finite networks, seed 0: within 4 standard errors and 2/128 for
    finite width.
    """
    build, x, expected = LAYERS[name]
    with_bias, without = (nn.Sequential(build(b), parameterization="standard") for b in (0.0, None))
    ntk = np.asarray(nl.kernel(without).ntk(x))
    difference = np.asarray(nl.kernel(with_bias).ntk(x)) - ntk
    np.testing.assert_allclose(difference, expected, atol=1e-5 * np.abs(ntk).max())  # float32
    np.testing.assert_array_equal(*(nl.kernel(build(b)).ntk(x) for b in (0.0, None)))

    def one(key):
        params = with_bias.init(key, x.shape[1:])
        leaves, structure = jax.tree_util.tree_flatten_with_path(params)
        (place,) = [i for i, (path, _) in enumerate(leaves) if "bias" in jax.tree_util.keystr(path)]

        def output(bias):
            values = [bias if i == place else leaf for i, (_, leaf) in enumerate(leaves)]
            return with_bias.apply(jax.tree.unflatten(structure, values), x)[:1, 0]

        return (jax.jacrev(output)(leaves[place][1]) ** 2).sum()

    found = np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(jax.random.key(0), 50)), float)
    assert abs(found.mean() - expected) <= 4 * found.std() / np.sqrt(50) + 2 / 128 * expected
