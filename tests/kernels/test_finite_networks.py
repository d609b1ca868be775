"""The infinite-width kernel against simulated finite networks, and the rate at which they reach it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn

INPUTS = np.random.default_rng(1).standard_normal((3, 3)).astype(np.float32)
READOUT = {"w_std": 1.1, "b_std": 0.2}


def dense(width):
    return nn.Dense(width, w_std=1.3, b_std=0.3)


def mlp(activation):
    return lambda n: (dense(n), activation, dense(n), activation)


def branches(merge, *ends):
    """Two branches of unequal kinds, merged; `ends` are appended to both."""
    return lambda n: (
        nn.Parallel(
            nn.Sequential(dense(n), nn.Relu(), *(end(n) for end in ends)),
            nn.Sequential(nn.Dense(n, 0.8, 0.5), nn.Erf(), *(end(n) for end in ends)),
            merge=merge,
        ),
    )


BODIES = {
    "relu": mlp(nn.Relu()),
    "relu without bias": lambda n: (nn.Dense(n, np.sqrt(2)), nn.Relu(), nn.Dense(n, np.sqrt(2)), nn.Relu()),
    "erf": mlp(nn.Erf()),
    "tanh": mlp(nn.Tanh()),
    "residual": lambda n: (dense(n), nn.Residual(nn.Sequential(nn.Erf(), dense(n))), nn.Relu()),
    "shortcut": lambda n: (nn.Residual(nn.Sequential(dense(n), nn.Relu(), dense(n)), nn.Dense(n, 0.7)), nn.Erf()),
    "sum": lambda n: (*branches(nn.Sum(), dense)(n), nn.Relu()),
    "concatenate": lambda n: (
        nn.Parallel(
            nn.Sequential(dense(n), nn.Relu()), nn.Sequential(nn.Dense(2 * n), nn.Erf()), merge=nn.Concatenate()
        ),
        dense(n),
        nn.Relu(),
    ),
    "product": branches(nn.Product()),
    "layer norm": lambda n: (dense(n), nn.LayerNorm(), nn.Relu(), dense(n), nn.LayerNorm(), nn.Erf()),
    "dropout": lambda n: (dense(n), nn.Relu(), nn.Dropout(0.3), dense(n), nn.Erf(), nn.Dropout(0.1)),
    "repeat": lambda n: (nn.Repeat(nn.Sequential(dense(n), nn.Relu()), 3),),
}
CASES = [
    *((name, "ntk") for name in BODIES),
    *((name, "standard") for name in ("relu", "relu without bias", "residual", "concatenate", "dropout", "repeat")),
]
IN_ALL_RUNS = [("relu", "ntk"), ("residual", "standard"), ("product", "ntk"), ("dropout", "ntk")]
WIDTHS = np.array([16, 40, 100, 256])


def network(name, parameterization, width, outputs=1):
    return nn.Sequential(*BODIES[name](width), nn.Dense(outputs, **READOUT), parameterization=parameterization)


def sample(function, draws, seed):
    """`function(key)` at `draws` keys; with XLA's own generator, which compiles faster."""
    keys = jax.random.split(jax.random.key(seed, impl="unsafe_rbg"), draws)
    return np.asarray(jax.jit(lambda k: jax.lax.map(function, k))(keys), float)


def empirical_nngp(net):
    """Second moments over one network's outputs; dropout acts."""

    def one(key):
        at_init, at_apply = jax.random.split(key)
        y = net.apply(net.init(at_init, (3,)), INPUTS, key=at_apply)
        return y @ y.T / y.shape[1]

    return one


def empirical_ntk(net):
    """Inner products of one network's parameter gradients; dropout acts."""

    def one(key):
        at_init, at_apply = jax.random.split(key)
        params = net.init(at_init, (3,))
        jacobian = jax.jacrev(lambda p: net.apply(p, INPUTS, key=at_apply)[:, 0])(params)
        rows = [leaf.reshape(3, -1) for leaf in jax.tree.leaves(jacobian)]
        return sum((row @ row.T for row in rows), jnp.zeros((3, 3)))

    return one


def quick(cases):
    """All cases, those but `cases` marked as slow."""
    return [case if case in cases else pytest.param(*case, marks=pytest.mark.slow) for case in CASES]


@pytest.mark.parametrize(("name", "parameterization"), quick(IN_ALL_RUNS))
def test_nngp(name, parameterization):
    """Seed 0, 500 networks of width 64 with 32 outputs: the mean within 4 standard errors, and 1/64 for finite width.

    A standard error is 1 to 2 % of the variances here. 4 are exceeded by chance once in 16,000; with 6 entries in each of
    18 cases, in one of 150 seeds.
    """
    net = network(name, parameterization, 64, outputs=32)
    found = sample(empirical_nngp(net), 500, seed=0)
    exact = np.asarray(nl.kernel(net).nngp(INPUTS))
    scale = np.sqrt(np.outer(exact.diagonal(), exact.diagonal()))
    error = found.std(0) / np.sqrt(len(found))
    assert (error < 0.025 * scale).all()
    np.testing.assert_array_less(np.abs(found.mean(0) - exact), 4 * error + scale / 64)


@pytest.mark.usefixtures("optimized")
@pytest.mark.parametrize(("name", "parameterization"), quick(IN_ALL_RUNS[:1]))
def test_ntk_and_its_rate(name, parameterization):
    """Seeds are the widths, 16 to 256, 300 networks each: the distance of one network's NTK from the infinite one is of order
    width^(-1/2), that of their mean of order 1/width.

    Distances are relative, in Frobenius norm. The slope of log distance in log width is fitted by weighted least squares;
    its standard error is 0.01 to 0.033, and it is within four of these of -1/2.
    """
    distance, uncertainty = [], []
    for width in WIDTHS.tolist():
        net = network(name, parameterization, width)
        found = sample(empirical_ntk(net), 300, seed=width)
        exact = np.asarray(nl.kernel(net).ntk(INPUTS), float)
        found, exact = found / np.linalg.norm(exact), exact / np.linalg.norm(exact)
        error = found.std(0) / np.sqrt(len(found))
        np.testing.assert_array_less(np.abs(found.mean(0) - exact), 4 * error + 1 / width)

        square = ((found - exact) ** 2).sum((1, 2))
        distance.append(np.sqrt(square.mean()))
        uncertainty.append(square.std() / square.mean() / 2 / np.sqrt(len(square)))
    slope, standard_error = weighted_slope(np.log(WIDTHS), np.log(distance), np.array(uncertainty))
    assert standard_error < 0.035
    assert abs(slope + 0.5) < 4 * standard_error


def weighted_slope(x, y, uncertainty):
    weight = uncertainty**-2
    x = x - np.average(x, weights=weight)
    spread = (weight * x**2).sum()
    return (weight * x * y).sum() / spread, spread**-0.5
