"""Infinitely deep networks of smooth shaped activations, against deep ones and against their differential equation."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import nnlimits as nl
from nnlimits import nn
from nnlimits.kernels.shaped_smooth import deficit_flow, smooth_shape, variance_flow
from nnlimits.rates import fitted_rate

TILTED = nn.Polynomial((0.0, 1.0, 0.4, -0.2))
"""With a second derivative, and variances that return to one."""


def network(depth, activation=TILTED, a=2.0, *rest):
    block = nn.Sequential(nn.Shaped(activation, a), nn.Dense(8), *rest)
    return nn.Sequential(nn.Dense(8), nn.Repeat(block, depth), nn.Dense(1))


@pytest.fixture
def inputs():
    """Any two, an opposite, a duplicate, and a near-duplicate of the first."""
    x = np.random.default_rng(0).standard_normal((5, 3))
    return np.concatenate([x[:2], -x[:1], x[:1], x[:1] + 1e-6 * x[2:3]])


@pytest.mark.parametrize(("activation", "a"), [(TILTED, 0.8), (nn.Tanh(), 0.7), (nn.Gelu(), 2.0)])
def test_flows_against_the_equation_of_the_covariance(activation, a, x64):
    """That of V itself, with steps controlled to 1e-12; 64 steps of fourth order are good to 1e-7 where correlations move by
    more than a half."""
    word = nn.Shaped(activation, a)
    second, third = word.curvatures

    def drift(_, v):
        first, other, cross = v
        g, h = second**2 / (4 * a**2), third / (2 * a**2)
        own = [g * 3 * (q**2 - q) + 2 * h * q * (q - 1) for q in (first, other)]
        return [*own, g * (first * other + cross * (2 * cross - 3)) + h * cross * (first + other - 2)]

    q1, q2, rho = np.array([0.3, 1.0, 1.2]), np.array([1.4, 1.0, 1.2]), np.array([-0.6, 0.2, 0.97])
    shape = smooth_shape(word)
    found = deficit_flow(*(jnp.asarray(v) for v in (1 - rho, q1, q2)), shape)
    for i in range(3):
        start = [q1[i], q2[i], rho[i] * np.sqrt(q1[i] * q2[i])]
        end = solve_ivp(drift, (0, 1), start, method="DOP853", rtol=1e-12, atol=1e-14).y[:, -1]
        np.testing.assert_allclose(variance_flow(jnp.asarray([q1[i], q2[i]]), shape.growth), end[:2], rtol=1e-10)
        np.testing.assert_allclose(1 - found[i], end[2] / np.sqrt(end[0] * end[1]), rtol=1e-7)


@pytest.mark.parametrize(
    ("activation", "a"),
    [
        (TILTED, 2.0),
        pytest.param(nn.Gelu(), 3.0, marks=pytest.mark.slow),
        pytest.param(nn.Erf(), 1.0, marks=pytest.mark.slow),
    ],
)
def test_rate_of_finite_depth(activation, a, x64, inputs):
    """1/L: the next order is 1/L^2, a hundredth and less from depth 128 on, and the slope to 1,024 within 0.05."""
    limit = np.asarray(nl.kernel(network(math.inf, activation, a)).nngp(inputs))
    depths = (128, 1024)
    errors = [np.abs(nl.kernel(network(d, activation, a)).nngp(inputs) - limit).max() for d in depths]
    assert abs(fitted_rate(np.array(depths, float), np.array(errors)[:, None]).slope + 1) < 0.05
    assert errors[-1] < 0.01


def test_is_a_kernel(x64, inputs):
    net = network(math.inf)
    found = np.asarray(nl.kernel(net).nngp(inputs))
    assert np.linalg.eigvalsh(found).min() > -1e-14
    assert 0 < abs(found[0, 3] - found[0, 4]) < 1e-5
    np.testing.assert_allclose(nl.kernel(net).nngp(inputs[:2], inputs[2:]), found[:2, 2:], rtol=1e-13)
    np.testing.assert_allclose(nl.kernel(net).nngp(inputs.astype(np.float32)), found, rtol=2e-5, atol=1e-6)


def test_odd_activations_keep_correlations(x64, inputs):
    def correlations(gram):
        roots = np.sqrt(np.diag(gram))
        return gram / np.outer(roots, roots)

    found = np.asarray(nl.kernel(network(math.inf, nn.Tanh(), 1.0)).nngp(inputs))
    np.testing.assert_allclose(correlations(found), correlations(inputs @ inputs.T), atol=1e-14)


@pytest.mark.slow
def test_gradients(x64, inputs):
    """In `a`, against differences; in inputs finite where they coincide."""

    def of_scale(a):
        return nl.kernel(network(math.inf, a=a)).nngp(inputs)[0, 1]

    np.testing.assert_allclose(jax.grad(of_scale)(2.0), (of_scale(2.0001) - of_scale(1.9999)) / 2e-4, rtol=1e-6)
    slopes = jax.grad(lambda x: nl.kernel(network(math.inf)).nngp(x).sum())(jnp.asarray(inputs))
    assert np.isfinite(slopes).all()


def test_drifts_of_a_row_add_up(x64, inputs):
    """Two of scale `sqrt(2) a` are one of scale a."""
    twice = network(math.inf, TILTED, 2.0 * 2**0.5, nn.Shaped(TILTED, 2.0 * 2**0.5), nn.Dense(8))
    expected = nl.kernel(network(math.inf)).nngp(inputs)
    np.testing.assert_allclose(nl.kernel(twice).nngp(inputs), expected, rtol=1e-12)


def test_what_has_no_limit(inputs):
    with pytest.raises(NotImplementedError, match="the NTK of shaped activations at infinite depth: it grows like"):
        nl.kernel(network(math.inf))(inputs)
    mixed = network(math.inf, TILTED, 2.0, nn.ShapedRelu(1.0, -1.0), nn.Dense(8))
    with pytest.raises(NotImplementedError, match=r"or of nn\.Shaped and nn\.Dense in turn"):
        nl.kernel(mixed).nngp(inputs)
    with pytest.raises(ValueError, match="finite"):  # the largest variance explodes
        nl.kernel(network(math.inf, nn.Silu(), 0.5)).nngp(3 * inputs)
