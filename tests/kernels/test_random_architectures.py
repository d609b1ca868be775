"""Networks with positions composed at random: exact values, and what must not change them."""

import numpy as np
import pytest
from architectures import networks
from full_covariance import kernels
from hypothesis import HealthCheck, Phase, given, settings

import nnlimits as nl
from nnlimits import nn

# beartype, which checks annotations during tests, samples by `random`
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")
# drawn, not shrunk: each compiles for seconds
fuzz = {"deadline": None, "derandomize": True, "phases": [Phase.generate], "suppress_health_check": list(HealthCheck)}


def assert_right(net, x):
    """Against the full covariance to 1e-9: angles that vanish lose half of the digits of their rounding, in either."""
    exact = kernels(net, x)
    kernel = nl.kernel(net)
    try:
        pair = kernel(x)
    except NotImplementedError:  # paddings of both kinds in one block, activations on units that are not Gaussian
        return
    cross = kernel.nngp(x[:1], x[1:]), kernel.ntk(x[:1], x[1:])  # either alone takes other paths
    diagonal = kernel.diagonal(x)
    copies = np.array_equal(x[3], x[0])
    for found, expected, crossed, alone in zip(pair, exact, cross, diagonal, strict=True):
        found = np.asarray(found)
        root = np.sqrt(expected.diagonal())
        scale = 1e-9 * np.outer(root, root) + 1e-80
        np.testing.assert_array_less(np.abs(found - expected), scale)
        np.testing.assert_array_less(np.abs(np.asarray(alone) - expected.diagonal()), scale.diagonal())
        np.testing.assert_array_equal(found, found.T)
        values = np.linalg.eigvalsh(found)
        assert values[0] >= -1e-9 * values[-1]  # of kinked activations, whose angles are as accurate as that
        if not (copies and "Dropout" in repr(net)):  # which tells an example from its copy
            np.testing.assert_array_less(np.abs(np.asarray(crossed) - expected[:1, 1:]), scale[:1, 1:])


@settings(max_examples=2, **fuzz)
@given(networks(depth=1))
def test_values(case):
    assert_right(*case)


@pytest.mark.slow
@settings(max_examples=120, **fuzz)
@given(networks(depth=2))
def test_values_of_many(case):
    assert_right(*case)


@pytest.mark.slow
@settings(max_examples=20, **fuzz)
@given(networks(depth=1))
def test_order_of_examples(case):
    """Examples in another order, and some of them alone, have the same kernels to rounding."""
    net, x = case
    order = [2, 0, 3]
    try:
        whole = nl.kernel(net)(x)
    except NotImplementedError:
        return
    for found, expected in zip(nl.kernel(net)(x[order]), whole, strict=True):
        expected = np.asarray(expected)[np.ix_(order, order)]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def conv(**more):
    return nn.Conv(4, 3, w_std=1.3, b_std=0.3, **more)


ATTENTION = nn.SelfAttention(4, w_query_std=1.2, b_std=0.2)
PADDED = {
    "convolution": (conv(), nn.Relu(), conv(dilation=2), nn.Erf(), nn.GlobalAvgPool()),
    "pooling": (conv(), nn.Relu(), nn.AvgPool(3, 1, "same"), nn.SumPool(2, 1, "same"), nn.GlobalSumPool()),
    "transposed": (nn.ConvTranspose(4, 3, b_std=0.2), nn.Erf(), nn.GlobalAvgPool()),
    "layer norm": (conv(), nn.LayerNorm(axes=(0, -1)), nn.Relu(), nn.GlobalSumPool()),
    "attention": (nn.Linear(4), nn.Relu(), ATTENTION, nn.Relu(), nn.GlobalAvgPool()),
    "recurrent": (nn.Rnn(4, nn.Erf(), 1.2, 0.9, 0.3), nn.Index(-1)),
    "nested recurrent": (nn.Repeat(nn.Rnn(4, nn.Erf(), 1.2, 0.9, 0.3), 2), nn.Linear(4), nn.Relu(), nn.Index(-1)),
    "residual": (conv(), nn.Residual(nn.Sequential(nn.Relu(), conv())), nn.Relu(), nn.GlobalAvgPool()),
}


QUICK = [("recurrent", 5.0)]
EACH = [(name, value) for name in PADDED for value in (0.0, 5.0)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"), [c if c in QUICK else pytest.param(*c, marks=pytest.mark.slow) for c in EACH]
)
def test_padding_is_absent(name, value):
    """Masked examples have the kernels that they have among themselves without their padding."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 6, 2))
    x[1:3, 4:] = value
    masked = nl.kernel(nn.Sequential(nn.Masked(*PADDED[name], value=value), nn.Dense(1)))(x)
    short = nl.kernel(nn.Sequential(*PADDED[name], nn.Dense(1)))(x[1:3, :4])
    for found, expected in zip(masked, short, strict=True):
        np.testing.assert_allclose(np.asarray(found)[1:3, 1:3], expected, rtol=1e-12)


@pytest.mark.parametrize(
    "layers",
    [
        (conv(), nn.Relu(), nn.Linear(4, axes=(0, -1)), nn.LayerNorm(), nn.Erf()),
        pytest.param((conv(stride=2), nn.Relu(), nn.ConvTranspose(4, 3, 2), nn.Erf()), marks=pytest.mark.slow),
        pytest.param(
            (nn.LocallyConnected(4, 3), nn.Relu(), nn.Index((slice(1, 4), 2)), conv()), marks=pytest.mark.slow
        ),
        pytest.param((conv(), nn.Residual(nn.Sequential(nn.Relu(), conv())), nn.Dropout(0.3)), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_diagonal_path_and_full_path(layers):
    """A pooling over windows of one position does nothing, but for taking all displacements where the diagonal would do."""
    x = np.random.default_rng(0).standard_normal((3, 5, 4, 2))
    shape = nn.Sequential(*layers).output_shape((5, 4, 2))
    short, full = (
        nl.kernel(nn.Sequential(*layers, *middle, nn.Flatten(), nn.Dense(1)))(x)
        for middle in ((), (nn.AvgPool((1,) * (len(shape) - 1)),))
    )
    for found, expected in zip(full, short, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param((nn.Sequential(conv(), nn.Relu()),), marks=pytest.mark.slow),
        pytest.param((nn.Sequential(nn.AvgPool(3, 1, "same"), conv(), nn.Relu()),), marks=pytest.mark.slow),
        pytest.param(
            (nn.Residual(nn.Sequential(conv(), nn.Relu(), conv()), nn.Linear(4)), nn.Relu()), marks=pytest.mark.slow
        ),
    ],
    ids=str,
)
def test_repeat_is_the_blocks_written_out(layers):
    block, *rest = layers
    x = np.random.default_rng(0).standard_normal((3, 4, 3, 2))
    repeated = nl.kernel(nn.Sequential(nn.Repeat(block, 3), *rest, nn.GlobalAvgPool(), nn.Dense(1)))(x)
    written = nl.kernel(nn.Sequential(block, block, block, *rest, nn.GlobalAvgPool(), nn.Dense(1)))(x)
    for found, expected in zip(repeated, written, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)


@pytest.mark.slow
def test_masked_positions_are_zeros_after_flatten():
    """They are units like any others: a cosine makes ones of them, and LayerNorm averages over them."""
    x = np.random.default_rng(0).standard_normal((4, 5, 2))
    x[1:3, 3:] = 0.0
    assert_right(nn.Sequential(nn.Masked(conv(), nn.Flatten(), nn.LayerNorm(), nn.Cos()), nn.Dense(1)), x)
