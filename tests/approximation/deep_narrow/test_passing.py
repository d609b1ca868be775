"""How activations let values pass, against many digits."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.special

from nnlimits import nn
from nnlimits.approximation.deep_narrow import passing
from nnlimits.approximation.deep_narrow.curvature import departure, derivative, enclosed, largest_derivatives
from nnlimits.approximation.deep_narrow.passing import MARGIN

FUNCTIONS = {
    nn.Tanh(): mpmath.tanh,
    nn.Sigmoid(): lambda x: 1 / (1 + mpmath.exp(-x)),
    nn.Softplus(): lambda x: mpmath.log(1 + mpmath.exp(x)),
    nn.Gelu(): lambda x: x * mpmath.ncdf(x),
    nn.Erf(0.7, 1.3): lambda x: mpmath.mpf(0.7) * mpmath.erf(mpmath.mpf(1.3) * x),
    nn.Cos(): mpmath.cos,
    nn.Silu(): lambda x: x / (1 + mpmath.exp(-x)),
    nn.Gaussian(): lambda x: mpmath.exp(-(x**2)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", FUNCTIONS, ids=repr)
def test_truncation_bounds_what_a_value_becomes(activation, dtype):
    found = passing(activation, dtype)
    function = FUNCTIONS[activation]
    with mpmath.workdps(80):
        point, reach = mpmath.mpf(found.point), mpmath.mpf(found.reach)
        # the value and the slope as they are, not as rounded: roundings are counted by themselves
        rounded = activation == nn.Softplus()
        value = mpmath.mpf(found.value) if rounded else function(point)
        slope = mpmath.mpf(found.slope) if rounded else mpmath.diff(function, point, h=mpmath.mpf(10) ** -30)
        changes = [
            abs((function(point + reach * v) - value) / (reach * slope) - v)
            for v in map(mpmath.mpf, np.linspace(-1 - MARGIN, 1 + MARGIN, 21))
        ]
    assert max(changes) <= found.truncation * (1 + 1e-9)
    # the bound is not idle, but for the rounding of intervals, at reaches where that is far below any other
    assert max(changes) > found.truncation / 30 or found.truncation < 1e-30


WITH_BOUNDS = [nn.Tanh(), nn.Sigmoid(), nn.Softplus(), nn.Sin(2.0, 0.5, 1.0), nn.Erf(2.0, 0.3), nn.Gelu()]


@pytest.mark.parametrize("activation", WITH_BOUNDS, ids=repr)
def test_largest_derivatives_are_reached_and_not_passed(activation):
    x = np.linspace(-12, 12, 24_001)
    for order, bound in zip((2, 3), largest_derivatives(activation), strict=True):
        found = np.abs(derivative(activation, order, x)).max()
        assert found <= bound * (1 + 1e-12)
        assert found >= 0.99 * bound  # the grid's step leaves 1e-6, the rounded constant of Gelu 1e-3


def test_departure_at_an_inflection_is_of_third_order():
    assert departure(nn.Tanh(), 0.0, 1e-3).value == pytest.approx(2 / 6 * 1e-9)
    assert departure(nn.Tanh(), 0.0, 1e-3).proved
    assert departure(nn.Gelu(), 0.0, 1e-3).value == pytest.approx(0.3989e-6, rel=1e-2)


def unknown(x):
    return jnp.arctan(x) + 0.1 * x


@pytest.mark.parametrize("activation", [nn.Mish(), nn.Gabor(), nn.Elementwise(unknown)], ids=repr)
def test_derivatives_of_others_are_enclosed(activation):
    for order in (1, 2, 3):
        found = enclosed(activation, order, -0.5, 0.7)
        largest = np.abs(derivative(activation, order, np.linspace(-0.5, 0.7, 2001))).max()
        assert found.proved
        assert largest <= found.value < 1.3 * largest + 0.05
    assert departure(activation, 0.2, 1e-3).proved


def test_what_intervals_cannot_read_is_sampled():
    airy = nn.Elementwise(lambda x: jax.lax.bessel_i1e(x))
    found = enclosed(airy, 0, 0.0, 1.0)
    assert not found.proved
    assert found.value == pytest.approx(1.05 * scipy.special.i1e(1.0), rel=1e-6)


def test_where_values_pass():
    assert passing(nn.Relu()).truncation == 0
    assert passing(nn.Tanh()).point == 0
    assert passing(nn.ABRelu(0.5, 0.0)).point < 0
    assert passing(nn.Softplus(), np.float32).rounding < 1e-5
    # a reach that balances r^2 / 12 and eps / r
    assert 1e-3 < passing(nn.Sigmoid(), np.float32).reach < 1e-1
    assert 1e-6 < passing(nn.Sigmoid(), np.float64).reach < 1e-4
    assert abs(passing(nn.Cos()).point) == pytest.approx(np.pi / 2)


AFFINE = [nn.Monomial(1), nn.Polynomial((1.0, 2.0)), nn.LeakyRelu(1.0), nn.ABRelu(2.0, 2.0)]


@pytest.mark.parametrize("activation", AFFINE, ids=repr)
def test_affine_activations_are_refused_with_the_reason(activation):
    with pytest.raises(ValueError, match="is affine: networks of it are affine functions at any depth"):
        passing(activation)


def test_flat_activations_and_others_are_refused():
    with pytest.raises(ValueError, match="no point with a derivative"):
        passing(nn.Sign())
    with pytest.raises(TypeError, match="must be an activation"):
        passing(nn.Dense(3))
