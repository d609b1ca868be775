"""The transposed convolution against its definition and against `jax.lax.conv_transpose`."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn

KEY = jax.random.key(0)


def transposed(x, weight, stride, padding):
    """`y[stride i + o - low] += W[o] x[i]`, by loops."""
    kernel, positions = weight.shape[:-2], x.shape[1:-1]
    if padding == "valid":
        outputs, low = [(n - 1) * s + f for n, s, f in zip(positions, stride, kernel, strict=True)], [0] * len(kernel)
    else:
        outputs = [n * s for n, s in zip(positions, stride, strict=True)]
        centred = [(f - 1) // 2 for f in kernel]
        low = centred if padding == "circular" else [max(0, (f - s) // 2) for f, s in zip(kernel, stride, strict=True)]
    y = np.zeros((x.shape[0], *outputs, weight.shape[-1]))
    for i in itertools.product(*map(range, positions)):
        for o in itertools.product(*map(range, kernel)):
            at = [s * a + b - lo for s, a, b, lo in zip(stride, i, o, low, strict=True)]
            if padding == "circular":
                at = [a % size for a, size in zip(at, outputs, strict=True)]
            if all(0 <= a < size for a, size in zip(at, outputs, strict=True)):
                y[(slice(None), *at)] += x[(slice(None), *i)] @ weight[o]
    return y


@pytest.mark.parametrize("padding", ["same", "valid", "circular"])
@pytest.mark.parametrize(
    ("shape", "kernel", "stride"),
    [
        ((5, 3), (3,), (1,)),
        ((5, 3), (3,), (2,)),
        ((4, 2), (1,), (3,)),
        ((2, 2), (7,), (1,)),
        ((3, 1), (11,), (3,)),
        ((3, 4, 2), (3, 5), (2, 1)),
        ((2, 3, 2, 1), (3, 1, 3), (1, 2, 3)),
    ],
    ids=str,
)
def test_formula(shape, kernel, stride, padding, x64, standard_normal):
    layer = nn.ConvTranspose(4, kernel, stride=stride, padding=padding, w_std=1.5, b_std=0.5)
    params, x = standard_normal(layer, shape), np.random.default_rng(0).normal(size=(2, *shape))
    y = layer.apply(params, x)
    expected = transposed(x, np.asarray(params["weight"]), stride, padding)
    expected = 1.5 / np.sqrt(np.prod(kernel) * shape[-1]) * expected + 0.5 * np.asarray(params["bias"])
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)
    assert layer.output_shape(shape) == y.shape[1:]


def test_same_padding_is_that_of_lax(x64, standard_normal):
    for kernel, stride in [
        (1, 2),
        (2, 1),
        (2, 2),
        (2, 3),
        (3, 1),
        (3, 2),
        (3, 4),
        (4, 1),
        (4, 2),
        (4, 3),
        (5, 5),
        (7, 3),
    ]:
        layer = nn.ConvTranspose(3, kernel, stride=stride)
        params, x = standard_normal(layer, (4, 2)), np.random.default_rng(0).normal(size=(2, 4, 2))
        peer = jax.lax.conv_transpose(
            jnp.asarray(x), params["weight"][::-1], (stride,), "SAME", dimension_numbers=("NHC", "HIO", "NHC")
        )
        np.testing.assert_allclose(layer.apply(params, x), peer / np.sqrt(2 * kernel), rtol=1e-12, atol=1e-13)


def test_it_is_the_transpose_of_a_convolution(x64, standard_normal):
    """`<y, conv(x)> = <conv_transpose(y), x>` where both windows read the same entries: circular and odd."""
    conv, back = nn.Conv(1, 3, stride=2, padding="circular"), nn.ConvTranspose(1, 3, stride=2, padding="circular")
    params = standard_normal(conv, (8, 1))
    x, y = (np.random.default_rng(seed).normal(size=(1, size, 1)) for seed, size in [(0, 8), (1, 4)])
    inner = np.sum(y * np.asarray(conv.apply(params, x)))
    assert np.sum(np.asarray(back.apply(params, y)) * x) == pytest.approx(inner, rel=1e-12)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.ConvTranspose(2, 3), (5,), "ConvTranspose expects positions and channels"),
        (nn.ConvTranspose(2, (3, 3)), (5, 2), "ConvTranspose has a kernel_size of 2 axes"),
        (nn.ConvTranspose(2, 3, stride=(1, 1)), (5, 2), "ConvTranspose has a stride of 2 axes"),
        (nn.ConvTranspose(2, 4, padding="circular"), (5, 2), r"needs a kernel of odd size; it has \(4,\)"),
    ],
)
def test_refuses_inputs(layer, shape, message):
    with pytest.raises(nn.ShapeError, match=message):
        layer.init(KEY, shape)
