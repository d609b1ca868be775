"""Critical initializations against published values and against their definition in another arithmetic."""

import inspect
import math

import mpmath
import numpy as np
import pytest

from nnlimits import nn, presets, signal

# (w_std^2, b_std^2, variance): Roberts, Yaida & Hanin 2022, section 5.3 (GELU, SWISH); the others follow by hand
PUBLISHED = [
    (nn.Gelu(), 1.98305826, 0.17292239, None),
    pytest.param(nn.Silu(), 1.98800468, 0.55514317, 14.3201736, marks=pytest.mark.slow),
    (nn.Relu(), 2.0, 0.0, None),
    (nn.LeakyRelu(0.5), 2 / 1.25, 0.0, None),
    pytest.param(nn.Tanh(), 1.0, 0.0, 0.0, marks=pytest.mark.slow),
    pytest.param(nn.Elu(), 1.0, 0.0, 0.0, marks=pytest.mark.slow),
    (nn.Sin(), 1.0, 0.0, 0.0),
    (nn.Erf(), math.pi / 4, 0.0, 0.0),
]


@pytest.mark.parametrize(("activation", "weights", "biases", "variance"), PUBLISHED)
def test_published_critical_points(activation, weights, biases, variance):
    point = signal.critical_point(activation)
    np.testing.assert_allclose([point.w_std**2, point.b_std**2], [weights, biases], rtol=1e-8, atol=1e-12)
    if variance is not None:
        np.testing.assert_allclose(point.variance, variance, rtol=1e-8)


FUNCTIONS = {
    "gelu": (nn.Gelu(), lambda x: x * (1 + mpmath.erf(x / mpmath.sqrt(2))) / 2),
    "tanh": (nn.Tanh(), mpmath.tanh),
    "silu": (nn.Silu(), lambda x: x / (1 + mpmath.exp(-x))),
}


def expectation(f, q):
    root = mpmath.sqrt(q)
    ends = [-12, -6, -3, -1, 0, 1, 3, 6, 12]
    return mpmath.quad(lambda z: f(root * z) * mpmath.npdf(z), ends)


@pytest.mark.parametrize(
    ("name", "b_std"),
    [
        ("gelu", None),
        pytest.param("silu", None, marks=pytest.mark.slow),
        pytest.param("tanh", 0.7, marks=pytest.mark.slow),
    ],
)
def test_definition_in_another_arithmetic(name, b_std):
    """Both growth factors are one (with a given bias, that of gradients), and the variance a fixed point, by mpmath."""
    activation, phi = FUNCTIONS[name]
    point = signal.critical_point(activation, b_std=b_std)
    slope = expectation(lambda x: mpmath.diff(phi, x) ** 2, point.variance)
    square = expectation(lambda x: phi(x) ** 2, point.variance)
    assert abs(point.w_std**2 * slope - 1) < 1e-9
    assert abs(point.w_std**2 * square + point.b_std**2 - point.variance) < 1e-9 * point.variance
    if b_std is None:
        curved = expectation(lambda x: phi(x) * mpmath.diff(phi, x, 2), point.variance)
        assert abs(curved) < 1e-9  # d E[phi^2] / dq - E[phi'^2]
    else:
        assert point.b_std == b_std


def test_edge_of_chaos_of_tanh():
    """The value of Schoenholz et al. 2017 at b_std^2 = 0.05."""
    assert abs(signal.critical_point(nn.Tanh(), b_std=0.05**0.5).w_std ** 2 - 1.76095464) < 5e-9


@pytest.mark.parametrize(
    ("activation", "options", "message"),
    [
        pytest.param(nn.Sigmoid(), {}, "no critical point: chi_parallel / chi_perp", marks=pytest.mark.slow),
        pytest.param(nn.Softplus(), {}, "does not vanish at zero", marks=pytest.mark.slow),
        (nn.Step(), {}, "has no slope"),
        (nn.Relu(), {"b_std": 0.1}, "no variance is a stable fixed point"),
        (nn.Monomial(2), {}, "no critical point"),
    ],
)
def test_where_there_is_none(activation, options, message):
    with pytest.raises(ValueError, match=message):
        signal.critical_point(activation, **options)


def test_networks():
    net = nn.Sequential(nn.Conv(8, 3, b_std=None), nn.Sin(), nn.Flatten(), nn.Dense(3), nn.Gelu(), nn.Dense(1))
    gelu = signal.critical_point(nn.Gelu())
    found = signal.critical(net)
    assert found == nn.Sequential(
        nn.Conv(8, 3, w_std=1.0, b_std=None),
        nn.Sin(),
        nn.Flatten(),
        nn.Dense(3, w_std=1.0),
        nn.Gelu(),
        nn.Dense(1, w_std=gelu.w_std, b_std=gelu.b_std),
    )
    with pytest.raises(ValueError, match="Dropout there is no critical point"):
        signal.critical(nn.Sequential(nn.Dense(3), nn.Tanh(), nn.Dropout(0.1), nn.Dense(3)))
    with pytest.raises(ValueError, match="branches has no critical point"):
        signal.critical(presets.wide_resnet())
    with pytest.raises(ValueError, match="has no activation"):
        signal.critical(nn.Dense(3))
    with pytest.raises(TypeError, match="must be an activation"):
        inspect.unwrap(signal.critical_point)("tanh")


def test_rows_of_affine_layers_share_one_scale():
    """Two affine layers with nothing between them are one: only their product has a critical scale."""
    erf = signal.critical_point(nn.Erf(), b_std=0.3)
    block = nn.Sequential(nn.Dense(4), nn.Erf(), nn.Dense(4))
    found = signal.critical(nn.Sequential(nn.Repeat(block, 5), nn.Erf(), nn.SelfAttention(3, b_std=0.1)), b_std=0.3)
    assert found == nn.Sequential(
        nn.Repeat(nn.Sequential(nn.Dense(4), nn.Erf(), nn.Dense(4, w_std=erf.w_std, b_std=0.3)), 5),
        nn.Erf(),
        nn.SelfAttention(3, w_value_std=erf.w_std, b_std=0.3),
    )
    assert abs(signal.fixed_point(found).chi_perp - 1) < 1e-9


def test_with_normalization():
    """The block's own gradient factor is one, at the scales found."""
    net = nn.Repeat(nn.Sequential(nn.Dense(4), nn.LayerNorm(), nn.Gelu()), 3)
    point = signal.fixed_point(signal.critical(net))
    assert abs(point.chi_perp - 1) < 1e-9
    assert point.phase == "critical"
    assert abs(signal.fixed_point(net).chi_perp - 1) > 0.01
