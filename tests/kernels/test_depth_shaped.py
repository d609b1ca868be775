"""Infinitely deep networks of shaped rectifiers, against deep ones and against their differential equation."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import nnlimits as nl
from nnlimits import nn
from nnlimits.kernels.shaped_flow import shaped_flow, velocity
from nnlimits.rates import fitted_rate

SHAPE = 1.5, -1.0


def network(depth, *shape, **weights):
    block = nn.Sequential(nn.ShapedRelu(*shape or SHAPE), nn.Dense(8, **weights))
    return nn.Sequential(nn.Dense(8), nn.Repeat(block, depth), nn.Dense(1))


@pytest.fixture
def inputs():
    """Any two, an opposite, a duplicate, and a near-duplicate of the first."""
    x = np.random.default_rng(0).standard_normal((5, 3))
    return np.concatenate([x[:2], -x[:1], x[:1], x[:1] + 1e-6 * x[2:3]])


def test_flow_against_its_differential_equation(x64):
    """With steps controlled to 1e-12; the closed form is exact to rounding, also relative to small deficits."""
    deficit = jnp.asarray([2 - 1e-6, 1.9, 1.0, 0.3, 1e-4, 1e-10])
    for strength in (0.01, 6.25, 300.0):
        logarithms = solve_ivp(
            lambda _, y, c=strength: -c * np.asarray(velocity(jnp.exp(y))) / np.exp(y),
            (0, 1),
            np.log(deficit),
            method="DOP853",
            rtol=1e-12,
            atol=1e-13,
        )
        found = shaped_flow(deficit, jnp.asarray(strength))
        np.testing.assert_allclose(found, np.exp(logarithms.y[:, -1]), rtol=2e-11)
        single = shaped_flow(deficit.astype(jnp.float32), jnp.float32(strength))
        np.testing.assert_allclose(single, found, rtol=2e-6)
    # by hand: the deficit of opposite inputs begins to shrink at half of the strength
    np.testing.assert_allclose(2 - shaped_flow(jnp.asarray(2.0), jnp.asarray(1e-8)), 0.5e-8, rtol=1e-3)
    np.testing.assert_array_equal(shaped_flow(jnp.asarray([0.0, 0.0]), jnp.asarray([1.0, 0.0])), 0.0)


def test_flow_is_a_flow(x64):
    """In two parts, the second in the state of the first; no strength does nothing."""
    deficit = jnp.asarray([2.0, 1.5, 0.1, 1e-12])
    parts = shaped_flow(shaped_flow(deficit, jnp.asarray(1.3)), jnp.asarray(0.9))
    np.testing.assert_allclose(parts, shaped_flow(deficit, jnp.asarray(2.2)), rtol=1e-13)
    np.testing.assert_allclose(shaped_flow(deficit, jnp.asarray(0.0)), deficit, rtol=1e-13)


@pytest.mark.parametrize(("shape", "promised"), [((1.5, -1.0), -0.5), ((1.2, -1.2), -1.0)])
def test_rate_of_finite_depth(x64, inputs, shape, promised):
    """The slopes' normalization is 1 + O((c_plus + c_minus) / sqrt(L)); where that vanishes the rate is 1/L. The slope between
    depths 64 and 1,024 is within 0.1 of it, as the next order is L^(1/2) smaller: a quarter at 16, a thirtieth at 1,024."""
    limit = np.asarray(nl.kernel(network(math.inf, *shape)).nngp(inputs))
    depths = (64, 1024)
    errors = [np.abs(nl.kernel(network(depth, *shape)).nngp(inputs) - limit).max() for depth in depths]
    rate = fitted_rate(np.array(depths, float), np.array(errors)[:, None])
    assert abs(rate.slope - promised) < 0.1
    assert errors[-1] < 0.01


def test_is_a_kernel_that_keeps_variances(x64, inputs):
    net = network(math.inf)
    found = np.asarray(nl.kernel(net).nngp(inputs))
    np.testing.assert_allclose(np.diag(found), (inputs**2).sum(1) / 3, rtol=1e-13)
    assert np.linalg.eigvalsh(found).min() > -1e-14
    np.testing.assert_allclose(nl.kernel(net).nngp(inputs[:2], inputs[2:]), found[:2, 2:], rtol=1e-13)
    np.testing.assert_allclose(nl.kernel(net).nngp(inputs.astype(np.float32)), found, rtol=2e-5, atol=1e-6)


def test_gradients(x64, inputs):
    """In the shape and in an input, against differences; finite where inputs coincide or are opposite."""

    def of_shape(c):
        return nl.kernel(network(math.inf, c, -1.0)).nngp(inputs)[0, 1]

    np.testing.assert_allclose(jax.grad(of_shape)(1.5), (of_shape(1.5001) - of_shape(1.4999)) / 2e-4, rtol=1e-6)
    slopes = jax.grad(lambda x: nl.kernel(network(math.inf)).nngp(x).sum())(jnp.asarray(inputs))
    assert np.isfinite(slopes).all()
    deficit, step = jnp.asarray(0.7), 1e-5
    numeric = (shaped_flow(deficit + step, jnp.asarray(2.0)) - shaped_flow(deficit - step, jnp.asarray(2.0))) / step / 2
    np.testing.assert_allclose(jax.grad(shaped_flow)(deficit, jnp.asarray(2.0)), numeric, rtol=1e-8)


def test_strengths_of_a_row_add_up(x64, inputs):
    row = nn.Sequential(nn.ShapedRelu(1.0, 0.0), nn.Dense(8), nn.ShapedRelu(0.0, 2.0), nn.Dense(8))
    net = nn.Sequential(nn.Dense(8), nn.Repeat(row, math.inf), nn.Dense(1))
    expected = nl.kernel(network(math.inf, math.sqrt(5.0), 0.0)).nngp(inputs)
    np.testing.assert_allclose(nl.kernel(net).nngp(inputs), expected, rtol=1e-13)


def test_what_has_no_limit(inputs):
    with pytest.raises(
        NotImplementedError, match="NTK of shaped activations at infinite depth: it grows like the depth L"
    ):
        nl.kernel(network(math.inf))(inputs)
    with pytest.raises(ValueError, match=r"w_std=1\.1 leaves no limit"):
        nl.kernel(network(math.inf, w_std=1.1)).nngp(inputs)
    with pytest.raises(ValueError, match=r"b_std=0\.2 leaves no limit"):
        nl.kernel(network(math.inf, b_std=0.2)).nngp(inputs)
    swapped = nn.Repeat(nn.Sequential(nn.Dense(8), nn.ShapedRelu(*SHAPE)), math.inf)
    with pytest.raises(NotImplementedError, match=r"a row of nn\.ShapedRelu and nn\.Dense in turn"):
        nl.kernel(nn.Sequential(swapped, nn.Dense(1))).nngp(inputs)
    first = nn.Sequential(nn.Repeat(nn.Sequential(nn.ShapedRelu(*SHAPE), nn.Dense(8)), math.inf), nn.Dense(1))
    with pytest.raises(NotImplementedError, match="not Gaussian"):
        nl.kernel(first).nngp(inputs)


@pytest.mark.slow
def test_ntk_grows_like_the_depth(x64, inputs):
    """NTK / L tends to the integral over s of K(s) exp(-(strength / 2 pi) integral of the angle from s to 1): by the trapezoid
    rule of 400 steps, to which depth 4,096 is within 5% (an error of order L^(-1/2), which is 1/64)."""
    steps, strength = 400, 6.25
    q = (inputs**2).sum(1) / 3
    start = 1 - inputs[0] @ inputs[1] / 3 / np.sqrt(q[0] * q[1])
    shares = np.linspace(0, 1, steps + 1)
    deficits = np.asarray(shaped_flow(jnp.full(steps + 1, start), jnp.asarray(strength * shares)))
    angles = np.arccos(1 - deficits)
    lost = np.concatenate([[0], np.cumsum((angles[1:] + angles[:-1]) / 2 / steps)])
    expected = np.trapezoid((1 - deficits) * np.exp(-strength / (2 * np.pi) * (lost[-1] - lost)), shares)
    found = nl.kernel(network(4096)).ntk(inputs[:2])[0, 1] / 4096 / np.sqrt(q[0] * q[1])
    np.testing.assert_allclose(found, expected, atol=0.03)
