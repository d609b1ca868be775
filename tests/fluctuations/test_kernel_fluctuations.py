"""The fluctuations of kernels, of convolutional networks above all: against finite networks, kernels and dense networks."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conv_simulation import kernels
from networks import mlp

import nnlimits as nl
from nnlimits import nn
from nnlimits.fluctuations import fluctuations, kernel_fluctuations

W2, B2 = 1.7, 0.2
W, B = math.sqrt(W2), math.sqrt(B2)
RING = np.random.default_rng(0).normal(size=(2, 4, 2))
IMAGE = np.random.default_rng(1).normal(size=(1, 4, 4, 2))


def conv(width, *geometry):
    return nn.Conv(width, *geometry, w_std=W, b_std=B)


def dense(width):
    return nn.Dense(width, W, B)


def gelu(z):
    return jax.nn.gelu(z, approximate=False)


CASES = {
    "1-D, circular, a stride, tanh, Flatten": (
        RING,
        jnp.tanh,
        [("conv", (3,), (1,), "circular"), ("phi",), ("conv", (3,), (2,), "circular"), ("phi",), ("dense",)],
        lambda n: [conv(n, 3, 1, "circular"), nn.Tanh(), conv(n, 3, 2, "circular"), nn.Tanh(), nn.Flatten()],
    ),
    "2-D, zeros and none, strides, ReLU, GlobalAvgPool": (
        IMAGE,
        jax.nn.relu,
        [
            ("conv", (3, 3), (2, 1), "zeros"),
            ("phi",),
            ("conv", (2, 1), (1, 2), "valid"),
            ("phi",),
            ("global",),
            ("dense",),
        ],
        lambda n: [conv(n, 3, (2, 1), 1), nn.Relu(), conv(n, (2, 1), (1, 2), "valid"), nn.Relu(), nn.GlobalAvgPool()],
    ),
    "2-D, pools before and after GELU, a dense layer": (
        IMAGE,
        gelu,
        [
            ("conv", (3, 3), (1, 1), "zeros"),
            ("average", (2, 2), (2, 2)),
            ("phi",),
            ("conv", (3, 3), (1, 1), "zeros"),
            ("phi",),
            ("average", (2, 1), (1, 1)),
            ("conv", (1, 2), (1, 1), "valid"),
            ("phi",),
            ("dense",),
            ("phi",),
            ("dense",),
        ],
        lambda n: [
            *(conv(n, 3, 1, 1), nn.AvgPool(2), nn.Gelu(), conv(n, 3, 1, 1), nn.Gelu(), nn.AvgPool((2, 1), 1)),
            *(conv(n, (1, 2), 1, "valid"), nn.Gelu(), nn.Flatten(), dense(n), nn.Gelu()),
        ],
    ),
}


def compared(name, width, samples):
    """Simulated minus predicted mean and covariance of `S`, their sampling errors, and the prediction."""
    x, phi, words, layers = CASES[name]
    with jax.enable_x64(False):
        seen = kernels(width, jnp.asarray(x, jnp.float32), words, phi, width, W2, B2, samples)
    found = kernel_fluctuations(nn.Sequential(*layers(width), dense(1)), x)
    apart = seen - seen.mean(0)
    vertex = np.einsum("sab,scd->abcd", apart, apart) / samples
    mean_error = seen.std(0) / math.sqrt(samples)
    products = np.einsum("sab,scd->sabcd", apart, apart)
    mean_left = abs(seen.mean(0) - np.array(found.mean_kernel))
    return (mean_left, mean_error), (abs(vertex - np.array(found.vertex)), products.std(0) / math.sqrt(samples)), found


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_residuals_fall_as_the_square_of_the_width(name):
    """Widths 8, 16 and 32, of 2^19, 2^16 and 2^16 networks: residual times width^2 stays where it is.

    In units of the largest entry of V over the width it is 0.15, 1.0 and 3.2 for the three networks, at every width, sampling
    errors 0.05 to 0.2; a wrong term of first order leaves 8, 16 and 32. That of G, in units of G over the width,
    is seen at width 8 alone, 2.4 for GELU with an error of 0.4, and is below an error of 0.8 for tanh; ReLU's G is too small.
    """
    for width, samples in ((8, 2**19), (16, 2**16), (32, 2**16)):
        (mean, mean_error), (vertex, vertex_error), found = compared(name, width, samples)
        largest_v, largest_g = float(found.vertex.max()), float(abs(found.kernel_correction).max())
        assert (vertex < 4 * largest_v / width + 4 * vertex_error).all(), (width, vertex, vertex_error)
        assert (mean < 3 * largest_g / width + 4 * mean_error).all(), (width, mean, mean_error)


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_networks_of_real_weights():
    """`nn.Conv` as drawn and applied: widths 32, 2^13 networks, seed 0, tanh and circular padding, 256 outputs.

    Given all layers but the last, two halves of the outputs estimate `S` independently of each other, so that the covariance of
    these estimates is V. The second order is allowed 5 / width of V, 16%; the sampling error is 3%.
    """
    width, outputs = 32, 256
    layers = [conv(width, 3, 1, "circular"), nn.Tanh(), conv(width, 3, 2, "circular"), nn.Tanh(), nn.Flatten()]
    net = nn.Sequential(*layers, dense(outputs))
    x = jnp.asarray(RING, jnp.float32)

    @jax.jit
    @jax.vmap
    def estimates(key):
        f = net.apply(net.init(key, x.shape[1:], dtype=jnp.float32), x)
        halves = f.reshape(len(x), 2, -1)
        return jnp.einsum("ahi,bhi->hab", halves, halves) / halves.shape[2]

    keys = jax.random.split(jax.random.key(0), (32, 256))
    seen = np.concatenate([np.asarray(estimates(k), np.float64) for k in keys])
    found = kernel_fluctuations(net, RING)
    mean, apart = seen.mean((0, 1)), seen - seen.mean(0)
    products = np.einsum("sab,scd->sabcd", apart[:, 0], apart[:, 1])
    vertex, error = products.mean(0), products.std(0) / math.sqrt(len(seen))
    predicted = np.array(found.vertex)
    assert (abs(vertex - predicted) < 4 * error + 5 / width * abs(predicted)).all()
    assert predicted[1, 1, 1, 1] > 20 * error[1, 1, 1, 1]
    mean_error = seen.mean(1).std(0) / math.sqrt(len(seen))
    assert (abs(mean - np.array(found.mean_kernel)) < 4 * mean_error).all()


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "layers",
    [
        [conv(3, 3, 2, "same"), nn.AvgPool(2, 1, "same"), nn.Identity(), conv(4, 2, 1, 1, 2), nn.GlobalSumPool()],
        pytest.param(
            [
                *(nn.SumPool((1, 2), 1), conv(3, 3, (2, 1), "same"), nn.AvgPool(3, (1, 2), "same"), nn.Relu()),
                *(nn.Scale(1.3), conv(4, (2, 1), 1, 1, (2, 1)), nn.SumPool((2, 1)), nn.Linear(3, w_std=0.7)),
                *(nn.Relu(), nn.GlobalSumPool(), dense(5), nn.Relu()),
            ],
            marks=pytest.mark.slow,
        ),
    ],
    ids=["linear", "relu"],
)
def test_kernel_is_the_infinite_one(layers):
    """To rounding, with pools, strides, dilation and paddings of all kinds; the kernel's rules are others."""
    x = np.random.default_rng(2).normal(size=(2, 5, 4, 2))
    net = nn.Sequential(*layers, dense(1))
    found = kernel_fluctuations(net, x)
    assert abs(found.kernel / nl.kernel(net)(x).nngp - 1).max() < 1e-10


NAMES = ("kernel", "kernel_correction", "vertex", "output_cumulant", "kurtosis", "kernel_variance", "mean_kernel")


@pytest.mark.usefixtures("x64")
def test_one_position_and_one_input():
    """ReLU without biases: `V/K^2 = 5 sum 1/n`, and no correction of the mean."""
    x = np.array([[[0.3, -1.1]]])
    layers = nn.Conv(20, 1, w_std=W), nn.Relu(), nn.Conv(30, 1, w_std=W), nn.Relu(), nn.GlobalAvgPool(), nn.Dense(1, W)
    found = kernel_fluctuations(nn.Sequential(*layers), x)
    assert abs(found.kernel_variance - (5 / 20 + 5 / 30)).max() < 1e-12
    assert abs(found.kurtosis - 3 * found.kernel_variance).max() < 1e-12
    assert abs(found.output_cumulant / found.vertex - 3).max() < 1e-12
    assert abs(found.mean_kernel / found.kernel - 1).max() < 1e-12


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_one_position_is_a_dense_network():
    """And the same tensors as those with the NTK, whose fourth moments are found otherwise."""
    x = np.random.default_rng(3).normal(size=(3, 1, 2))
    layers = conv(20, 1), nn.Relu(), conv(30, 1), nn.Relu(), nn.GlobalAvgPool(), dense(1)
    found = kernel_fluctuations(nn.Sequential(*layers), x)
    plain = kernel_fluctuations(mlp((20, 30), nn.Relu(), W, B), x[:, 0])
    full = fluctuations(mlp((20, 30), nn.Relu(), W, B), x[:, 0])
    for name in NAMES:
        a, b, c = (np.array(getattr(v, name)) for v in (found, plain, full))
        assert abs(a - b).max() <= 1e-12 * abs(b).max(), name
        assert abs(b - c).max() <= 1e-9 * abs(c).max(), name


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("activation", [nn.Relu(), nn.Tanh()], ids=repr)
def test_inputs_alike_everywhere_are_those_of_a_dense_network(activation):
    """On a ring all positions of a layer are one unit: coincident units in all expectations, whose nodes err by 1e-7."""
    x = np.random.default_rng(4).normal(size=(2, 2))
    everywhere = np.broadcast_to(x[:, None], (2, 3, 2)).copy()
    layers = [conv(20, 3, 1, "circular"), activation, conv(30, 3, 1, "circular"), activation]
    plain = kernel_fluctuations(mlp((20, 30), activation, W, B), x)
    for last in (nn.Flatten(), nn.GlobalAvgPool()):
        found = kernel_fluctuations(nn.Sequential(*layers, last, dense(1)), everywhere)
        for name in ("kernel", "kernel_correction", "vertex"):
            a, b = (np.array(getattr(v, name)) for v in (found, plain))
            assert abs(a - b).max() < 1e-6 * abs(b).max(), name


@pytest.mark.usefixtures("x64")
def test_linear_networks():
    """One convolution and no nonlinearity: after Flatten `V = (2 / n) sum_st (K_st)^2 / P^2`, after an average
    `V = (2 / n) (sum_st K_st / P^2)^2`."""
    x = np.random.default_rng(5).normal(size=(1, 4, 3))
    k = 1.3**2 * x[0] @ x[0].T / 3
    flat, mean = (
        kernel_fluctuations(nn.Sequential(nn.Conv(10, 1, w_std=1.3), last, nn.Dense(1)), x)
        for last in (nn.Flatten(), nn.GlobalAvgPool())
    )
    assert abs(flat.vertex[0, 0, 0, 0] / (0.2 * (k**2).mean()) - 1) < 1e-12
    assert abs(mean.vertex[0, 0, 0, 0] / (0.2 * k.mean() ** 2) - 1) < 1e-12


@pytest.mark.slow
def test_single_precision():
    """Within 1e-4 of each result's largest entry, as for dense networks."""
    x, _, _, layers = CASES["2-D, zeros and none, strides, ReLU, GlobalAvgPool"]
    net = nn.Sequential(*layers(30), dense(1))
    single, double = (kernel_fluctuations(net, x.astype(t)) for t in (np.float32, np.float64))
    assert single.vertex.dtype == np.float32
    for a, b in zip(jax.tree.leaves(single), jax.tree.leaves(double), strict=True):
        assert abs(np.array(a) - np.array(b)).max() < 1e-4 * max(abs(np.array(b)).max(), 1e-2)


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("activation", [nn.Relu(), nn.Tanh()], ids=repr)
def test_derivatives(activation):
    """In the hyper-parameter and the inputs, against central differences of step 1e-4, error 1e-8 of third derivatives."""

    def total(w_std, x):
        layers = nn.Conv(10, 3, w_std=w_std, b_std=0.1), activation, nn.Flatten(), nn.Dense(1, w_std)
        found = kernel_fluctuations(nn.Sequential(*layers), x)
        return found.vertex.sum() + found.mean_kernel.sum()

    x, to = jnp.asarray(RING[:, :3]), np.random.default_rng(6).normal(size=RING[:, :3].shape)
    value = jax.jit(total)
    slope, inputs = jax.jit(jax.grad(total, argnums=(0, 1)))(1.3, x)
    assert abs(slope / ((value(1.3 + 1e-4, x) - value(1.3 - 1e-4, x)) / 2e-4) - 1) < 1e-6
    difference = (value(1.3, x + 1e-4 * to) - value(1.3, x - 1e-4 * to)) / 2e-4
    assert abs((inputs * to).sum() - difference) < 1e-6 * abs(inputs * to).sum()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([conv(8, 3), nn.Relu()], "after its last layer with weights"),
        ([conv(8, 3), nn.Relu(), conv(1, 3)], "4.* nn.Flatten"),
        ([conv(8, 3), nn.Relu(), nn.Tanh(), nn.Flatten(), dense(1)], "directly after"),
        ([conv(8, 3), nn.LayerNorm(), nn.Flatten(), dense(1)], "LayerNorm has no rule"),
        ([nn.ConvTranspose(8, 3), nn.Relu(), nn.Flatten(), dense(1)], "ConvTranspose has no rule"),
    ],
)
def test_what_is_not_supported(layers, message):
    with pytest.raises(NotImplementedError, match=message):
        kernel_fluctuations(nn.Sequential(*layers), RING)


@pytest.mark.usefixtures("x64")
def test_the_ntk_of_shared_weights_is_not_supported():
    net = nn.Sequential(conv(8, 3), nn.Relu(), nn.Flatten(), dense(1))
    with pytest.raises(NotImplementedError, match=r"Conv shares its weights .*kernel_fluctuations"):
        fluctuations(net, RING)
    pooled = fluctuations(nn.Sequential(nn.AvgPool(4), nn.Flatten(), dense(1)), RING)
    plain = fluctuations(nn.Sequential(dense(1)), RING.mean(1))
    assert abs(pooled.ntk / plain.ntk - 1).max() < 1e-5


def test_too_many_units():
    net = nn.Sequential(conv(8, 3), nn.Relu(), nn.Flatten(), dense(1))
    with pytest.raises(ValueError, match=r"17 inputs times 4 positions, 68 units; .* for 64 .* at most 16 inputs"):
        kernel_fluctuations(net, np.ones((17, 4, 2)))
    kinked = nn.Sequential(conv(8, 3), nn.Elu(), nn.Flatten(), dense(1))
    with pytest.raises(ValueError, match=r"64 positions.* for 16 .* smaller images"):
        kernel_fluctuations(kinked, np.ones((1, 8, 8, 2)))
