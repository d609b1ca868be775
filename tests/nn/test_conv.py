"""The convolution against its definition, its geometry against XLA's, and its errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nnlimits import nn

KEY = jax.random.key(0)
# input shape, kernel, stride, dilation
GEOMETRIES = [
    ((7, 3), (3,), (1,), (1,)),
    ((8, 3), (3,), (2,), (1,)),
    ((9, 2), (5,), (3,), (1,)),
    ((9, 2), (3,), (1,), (2,)),
    ((6, 8, 3), (3, 3), (1, 1), (1, 1)),
    ((6, 8, 3), (1, 5), (3, 2), (1, 1)),
    ((7, 9, 2), (3, 3), (1, 3), (3, 2)),
    ((4, 3, 6, 2), (3, 1, 3), (2, 1, 2), (1, 1, 2)),
    ((3, 3, 4, 3, 1), (3, 3, 1, 1), (1, 1, 2, 1), (1, 1, 1, 1)),
]
EVEN = [((7, 3), (2,), (1,), (1,)), ((7, 8, 2), (4, 2), (2, 3), (1, 2)), ((5, 1), (4,), (2,), (1,))]


@pytest.mark.parametrize(
    ("padding", "geometry"),
    [
        *((padding, g) for padding in ("same", "valid") for g in GEOMETRIES + EVEN),
        *(("circular", g) for g in GEOMETRIES),
        *((1, g) for g in GEOMETRIES),
        ((2, 1), GEOMETRIES[5]),
    ],
    ids=str,
)
def test_formula(padding, geometry, patches, x64, standard_normal):
    shape, kernel, stride, dilation = geometry
    layer = nn.Conv(4, kernel, stride=stride, padding=padding, dilation=dilation, w_std=1.5, b_std=0.5)
    x = np.random.default_rng(0).normal(size=(2, *shape))
    params = standard_normal(layer, shape)
    y = layer.apply(params, x)
    seen = patches(x, kernel, stride, dilation, padding)
    axes = tuple(range(-len(kernel) - 1, 0))
    expected = np.tensordot(seen, params["weight"], (axes, tuple(range(len(kernel) + 1))))
    expected = 1.5 / np.sqrt(np.prod(kernel) * shape[-1]) * expected + 0.5 * np.asarray(params["bias"])
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)
    assert layer.output_shape(shape) == y.shape[1:]


def test_an_integer_is_for_all_axes(standard_normal):
    whole, each = nn.Conv(2, 3, stride=2, dilation=2), nn.Conv(2, (3, 3), stride=(2, 2), dilation=(2, 2))
    params, x = standard_normal(whole, (6, 7, 2)), jnp.linspace(-1, 1, 84).reshape(1, 6, 7, 2)
    np.testing.assert_array_equal(whole.apply(params, x), each.apply(params, x))


def test_a_circular_convolution_commutes_with_rotations(standard_normal):
    layer = nn.Conv(2, 3, padding="circular", b_std=1.0)
    params, x = standard_normal(layer, (5, 4, 2)), jnp.linspace(-1, 1, 40).reshape(1, 5, 4, 2) ** 2
    rotated = layer.apply(params, jnp.roll(x, (2, -1), (1, 2)))
    np.testing.assert_allclose(rotated, jnp.roll(layer.apply(params, x), (2, -1), (1, 2)), rtol=1e-5, atol=1e-6)


def test_outputs_have_the_variance_of_the_first_layer_kernel():
    """5,000 channels, each N(0, w^2 |patch|^2 / fan_in + b^2) at a corner; the KS test fails once in 10^4 seeds."""
    x = jnp.linspace(-1, 1, 32).reshape(1, 4, 4, 2)
    for seed, parameterization in enumerate(("ntk", "standard")):
        net = nn.Sequential(nn.Conv(5000, 3, w_std=1.5, b_std=0.5), parameterization=parameterization)
        corner = net.apply(net.init(jax.random.key(seed), (4, 4, 2)), x)[0, 0, 0]
        variance = 1.5**2 * float(jnp.sum(x[0, :2, :2] ** 2)) / 18 + 0.25
        assert stats.kstest(np.asarray(corner), "norm", args=(0, np.sqrt(variance))).pvalue > 1e-4


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.Conv(2, 3), (5,), r"Conv expects positions and channels, such as \(32, 32, 3\); it received \(5,\)"),
        (nn.Conv(2, 3), (), r"Conv expects positions and channels"),
        (nn.Conv(2, (3, 3)), (5, 2), r"Conv has a window of 2 axes, \(3, 3\); its input \(5, 2\) has 1 position axes"),
        (nn.Conv(2, 3, stride=(1, 1, 1)), (5, 5, 2), r"a stride of 3 axes, \(1, 1, 1\)"),
        (nn.Conv(2, 3, padding="valid"), (2, 5, 1), r"extent \(3, 3\), larger than its input's positions \(2, 5\)"),
        (
            nn.Conv(2, 2, padding="valid", dilation=5),
            (5, 1),
            r"extent \(6,\), larger than its input's positions \(5,\)",
        ),
        (nn.Conv(2, 1, stride=6), (5, 1), r"stride \(6,\), larger than its input's positions \(5,\)"),
        (nn.Conv(2, 2, padding="circular"), (5, 1), r"odd extent .*; the extent is \(2,\), the positions are \(5,\)"),
        (nn.Conv(2, 7, padding="circular"), (5, 1), r"no larger than its input; the extent is \(7,\)"),
        (nn.Conv(2, 3, padding="circular", dilation=3), (5, 1), r"no larger than its input; the extent is \(7,\)"),
        (nn.Conv(2, 3, stride=2, padding="circular"), (5, 1), r"the stride is \(2,\), the positions are \(5,\)"),
    ],
)
def test_refuses_inputs(layer, shape, message):
    with pytest.raises(nn.ShapeError, match=message):
        layer.init(KEY, shape)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: nn.Conv(0, 3), ValueError, "width must be an integer, at least 1; received 0"),
        (lambda: nn.Conv(2, 0), ValueError, "kernel_size must be an integer, at least 1; received 0"),
        (lambda: nn.Conv(2, (3, 0)), ValueError, r"kernel_size\[1\] must be an integer, at least 1; received 0"),
        (lambda: nn.Conv(2, 1.5), TypeError, r"kernel_size must be an integer; received 1\.5"),
        (lambda: nn.Conv(2, ()), ValueError, r"kernel_size must be an integer, or a tuple .*; received \(\)"),
        (lambda: nn.Conv(2, 3, stride=0), ValueError, "stride must be an integer, at least 1; received 0"),
        (lambda: nn.Conv(2, 3, dilation=True), TypeError, "dilation must be an integer; received True"),
        (lambda: nn.Conv(2, 3, padding="SAME"), ValueError, "padding must be one of 'same', 'valid', 'circular'; rec"),
        (lambda: nn.Conv(2, 3, padding=None), ValueError, "padding must be one of .* received None"),
        (lambda: nn.Conv(2, 3, w_std=-1), ValueError, "w_std must be at least 0"),
    ],
)
def test_refuses(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_refuses_parameters_of_other_inputs():
    layer = nn.Conv(2, 3)
    with pytest.raises(nn.ShapeError, match=r"other inputs than \(5, 4\): its weight has shape \(3, 3, 2\)"):
        layer.apply(layer.init(KEY, (5, 3)), jnp.ones((1, 5, 4)))
    with pytest.raises(nn.ShapeError, match="Conv expects parameters weight and bias"):
        layer.apply((), jnp.ones((1, 5, 4)))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv(3, (3, 2), stride=(2, 1)), (7, 5, 2)),
        pytest.param(nn.Conv(3, (3, 2), stride=(2, 1), padding="valid"), (7, 5, 2), marks=pytest.mark.slow),
        pytest.param(nn.Conv(2, 3, padding="circular", dilation=2), (6, 7, 1), marks=pytest.mark.slow),
        pytest.param(nn.Conv(4, 2, padding=1), (5, 3), marks=pytest.mark.slow),
    ],
    ids=repr,
)
def test_by_taps_is_the_convolution_with_the_same_derivatives(layer, shape):
    from nnlimits.nn.context import surrounded

    x = jax.random.normal(jax.random.key(0), (2, *shape))
    weight = jax.random.normal(jax.random.key(1), layer.weight_shape(shape))

    def looped(weight, x):
        with surrounded(looped=True):
            return layer.linear(weight, x)

    np.testing.assert_allclose(looped(weight, x), layer.linear(weight, x), atol=1e-5)
    gradients = (jax.grad(lambda w, x, f=f: jnp.sum(f(w, x) ** 3), (0, 1))(weight, x) for f in (looped, layer.linear))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4, rtol=1e-4), *gradients)
    tangents = (jax.jvp(f, (weight, x), (weight, x))[1] for f in (looped, layer.linear))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5), *tangents)
