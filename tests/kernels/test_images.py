"""Kernels of networks on images against the full covariance of all positions, in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from full_covariance import kernels

import nnlimits as nl
from nnlimits import nn

RELU, ERF, FLATTEN, AVERAGE = nn.Relu(), nn.Erf(), nn.Flatten(), nn.GlobalAvgPool()


def conv(kernel=3, *options, **more):
    return nn.Conv(4, kernel, *options, w_std=1.3, b_std=0.3, **more)


def images(*shape, n=4, seed=0):
    return np.random.default_rng(seed).standard_normal((n, *shape))


LINEAR = nn.Linear(4, w_std=1.1, b_std=0.2)
CASES = {
    "flatten": ((5, 4, 2), (conv(), RELU, conv(), ERF, FLATTEN)),
    "average": ((5, 4, 2), (conv(), RELU, conv(), ERF, AVERAGE)),
    "strides": ((5, 7, 2), (conv(3, (2, 1)), RELU, conv(2, (1, 2)), RELU, AVERAGE)),
    "valid": ((6, 5, 2), (conv((2, 3), padding="valid"), RELU, conv(3, 2, "valid"), ERF, AVERAGE)),
    "dilation": ((6, 5, 2), (conv(2, dilation=(2, 1)), RELU, conv(3, dilation=2), RELU, AVERAGE)),
    "circular": ((4, 6, 2), (conv(3, (1, 2), "circular"), RELU, conv(3, padding="circular"), ERF, AVERAGE)),
    "circular and not": ((4, 4, 2), (conv(3, padding="circular"), RELU, conv(), ERF, AVERAGE)),
    "even kernel wider than the image": ((2, 3, 2), (conv(4), RELU, conv((4, 2)), RELU, AVERAGE)),
    "one position left": ((4, 4, 2), (conv(3, 4), RELU, conv(3), RELU, AVERAGE)),
    "pooling": ((5, 4, 2), (conv(), RELU, nn.AvgPool(2), conv(), RELU, nn.SumPool((2, 1), 1), FLATTEN)),
    "overlapping pooling": ((5, 4, 2), (conv(), RELU, nn.AvgPool(3, 2, "same"), conv(), RELU, AVERAGE)),
    "circular pooling": ((4, 6, 2), (conv(), RELU, nn.SumPool(3, (2, 1), "circular"), conv(), RELU, AVERAGE)),
    "pooled inputs": ((5, 4, 2), (nn.AvgPool(2, 1), conv(), RELU, nn.GlobalSumPool())),
    "layer norm": (
        (4, 3, 2), (conv(), nn.LayerNorm(0.1), RELU, conv(), nn.LayerNorm(axes=(0, 1, -1)), ERF, AVERAGE),
    ),
    "layer norm and flatten": (
        (4, 3, 2), (conv(), nn.LayerNorm(axes=(0, -1)), RELU, conv(), FLATTEN, nn.LayerNorm(), RELU),
    ),
    "residual": ((4, 3, 2), (conv(), nn.Residual(nn.Sequential(RELU, conv())), RELU, AVERAGE)),
    "strided residual": (
        (5, 4, 2),
        (nn.Residual(nn.Sequential(conv(), RELU, conv(3, 2)), nn.Sequential(nn.AvgPool(2, padding="same"), LINEAR)),
         RELU, AVERAGE),
    ),
    "sequence": ((7, 2), (conv(4), RELU, conv(3, 2), RELU, nn.AvgPool(2), AVERAGE)),
    "volume": ((3, 2, 3, 2), (conv((2, 1, 3)), RELU, AVERAGE)),
}  # fmt: skip
# compiling takes seconds each
IN_ALL_RUNS = ("strides", "dilation")


def network(name, parameterization="ntk"):
    return nn.Sequential(*CASES[name][1], nn.Dense(1, 1.1, 0.2), parameterization=parameterization)


def assert_close(found, expected, tolerance):
    """Relative to the geometric mean of the two examples' own values."""
    for ours, exact in zip(found, expected, strict=True):
        root = np.sqrt(exact.diagonal())
        np.testing.assert_array_less(np.abs(np.asarray(ours, float) - exact), tolerance * np.outer(root, root))


@pytest.mark.parametrize("name", [c if c in IN_ALL_RUNS else pytest.param(c, marks=pytest.mark.slow) for c in CASES])
def test_full_covariance(name):
    """In float64 to 1e-12; sums have some hundred terms, so rounding is below 1e-14, but that of an angle counts double."""
    x = images(*CASES[name][0])
    found = nl.kernel(network(name))(x)
    assert found.ntk.dtype == np.float64
    assert_close(found, kernels(network(name), x), 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_standard_parameterization(name):
    x = images(*CASES[name][0])
    assert_close(nl.kernel(network(name, "standard"))(x), kernels(network(name, "standard"), x), 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_single_precision(name):
    """1e-5 are a hundred rounding units; the references are those of the rounded inputs."""
    x = images(*CASES[name][0]).astype(np.float32)
    found = nl.kernel(network(name))(x)
    assert found.ntk.dtype == np.float32
    assert_close(found, kernels(network(name), x), 1e-5)


@pytest.mark.slow
def test_all_ways_to_call():
    """Two arguments, the diagonal, one kernel alone, tiles that do not divide, and inside `jit`: all as in one call."""
    net, x = nn.Sequential(conv(2, 2), RELU, AVERAGE, nn.Dense(1)), images(3, 4, 2, n=5)
    exact = kernels(net, x)
    kernel = nl.kernel(net)
    assert_close(kernel(x), exact, 1e-12)
    assert_close((nl.gram(kernel, x, tile=2, get="ntk"),), exact[1:], 1e-12)
    for found, expected in zip(kernel(x[:2], x[2:]), exact, strict=True):
        np.testing.assert_allclose(found, expected[:2, 2:], rtol=1e-12)
    for found, expected in zip(kernel.diagonal(x), exact, strict=True):
        np.testing.assert_allclose(found, expected.diagonal(), rtol=1e-12)
    with jax.enable_x64(True):
        assert_close(jax.jit(lambda x: kernel(x))(jnp.asarray(x)), exact, 1e-12)


GRADIENTS = {
    "average": (conv(3, 2), RELU, nn.AvgPool(2, 1), conv(2), nn.LayerNorm(), RELU, AVERAGE),
    "flatten": (conv(), RELU, conv(3, 2), nn.LayerNorm(axes=(0, 1, -1)), RELU, FLATTEN),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flatten", pytest.param("average", marks=pytest.mark.slow)])
def test_gradients(name, x64):
    """Finite differences at a generic point, and finite values at images that coincide, are zero, or constant.

    Seed 0. Central differences at a step of 1e-5 err by 1e-10 times third derivatives, and by 1e-11 of the value for rounding.
    """
    leaves, structure = jax.tree.flatten(nn.Sequential(*GRADIENTS[name], nn.Dense(1, 1.1, 0.2)))
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((2, 4, 4))
    shape = (4, 3, 4, 2)

    @jax.jit
    def value(v):
        net = jax.tree.unflatten(structure, list(v[: len(leaves)]))
        pair = nl.kernel(net)(v[len(leaves) :].reshape(shape))
        return sum((w * k).sum() for w, k in zip(weights, pair, strict=True))

    gradient = jax.jit(jax.grad(value))
    start = np.concatenate([np.asarray(leaves, float), rng.standard_normal(shape).ravel()])
    found = np.asarray(gradient(jnp.asarray(start)))
    directions = np.concatenate([np.eye(len(leaves), start.size), rng.standard_normal((2, start.size))])
    slopes = [float(value(start + 1e-5 * d) - value(start - 1e-5 * d)) / 2e-5 for d in directions]
    assert np.linalg.norm(slopes) > 0.01
    np.testing.assert_allclose(directions @ found, slopes, rtol=1e-6, atol=1e-6 * np.abs(slopes).max())

    hard = start[len(leaves) :].reshape(shape).copy()
    hard[1], hard[2], hard[3] = hard[0], 0.0, 1.0
    at_hard = gradient(jnp.asarray(np.concatenate([start[: len(leaves)], hard.ravel()])))
    assert np.isfinite(np.asarray(at_hard)).all()


HARD = [
    (name, dtype) for name in ("pooled inputs", "strides", "overlapping pooling") for dtype in ("float32", "float64")
]


@pytest.mark.parametrize(("name", "dtype"), [pytest.param(*c, marks=pytest.mark.slow) for c in HARD])
def test_values_at_hard_images(name, dtype):
    """Without biases: images that coincide, nearly so, with a border of zeros, of zeros alone, and constant."""
    layers = [nn.Conv(4, 3, w_std=1.3) if isinstance(v, nn.Conv) else v for v in CASES[name][1]]
    net = nn.Sequential(*layers, nn.Dense(1))
    x = images(*CASES[name][0], n=6)
    x[1], x[2], x[3, :2], x[4], x[5] = x[0], x[0] * (1 + 1e-6), 0.0, 0.0, 1.0
    x = x.astype(dtype)
    found, exact = nl.kernel(net)(x), kernels(net, x)
    tolerance = (
        1e-9 if dtype == "float64" else 3e-5
    )  # the angle of near duplicates has half of the digits of their difference
    for ours, expected in zip(found, exact, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=tolerance * np.abs(expected).max())
        np.testing.assert_array_equal(np.asarray(ours)[0], np.asarray(ours)[1])
