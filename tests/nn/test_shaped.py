"""Shaped rectifiers: slopes that depend on the depth of the `Repeat`."""

import math

import jax
import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn, signal

X = np.random.default_rng(0).standard_normal((3, 4))


def network(activation, depth=9):
    return nn.Sequential(nn.Dense(6), nn.Repeat(nn.Sequential(activation, nn.Dense(6)), depth), nn.Dense(1))


def test_is_a_rectifier_of_these_slopes(x64):
    """At depth 9, slopes are 1 + 0.6 / 3 and 1 - 1.5 / 3, over the root of the mean of their squares."""
    positive, negative = np.array([1.2, 0.5]) / np.sqrt((1.2**2 + 0.5**2) / 2)
    shaped, plain = network(nn.ShapedRelu(0.6, -1.5)), network(nn.ABRelu(negative, positive))
    params = shaped.init(jax.random.key(0), (4,))
    np.testing.assert_allclose(shaped.apply(params, X), plain.apply(params, X), rtol=1e-13)


def test_keeps_variances(x64):
    found = nl.kernel(network(nn.ShapedRelu(2.0, -3.0)))(X).nngp
    np.testing.assert_allclose(np.diag(found), (X**2).sum(1) / 4, rtol=1e-13)
    block = signal.repeated_block(network(nn.ShapedRelu(2.0, -3.0)))
    assert isinstance(block.layers[0], nn.ABRelu)


def test_limit_is_the_identity():
    assert nn.ShapedRelu(1.0, -1.0).at_depth(math.inf) == nn.Identity()


def test_bad_input():
    with pytest.raises(nn.ShapeError, match=r"ShapedRelu at position 1 stands in no nn\.Repeat"):
        nn.Sequential(nn.Dense(4), nn.ShapedRelu(1.0, 0.0)).init(jax.random.key(0), (4,))
    with pytest.raises(ValueError, match="c_plus must be finite"):
        nn.ShapedRelu(math.nan, 0.0)
    with pytest.raises(ValueError, match=r"at depth 4 has two slopes of zero"):
        network(nn.ShapedRelu(-2.0, -2.0), 4).output_shape((3,))
    assert repr(nn.ShapedRelu(1.0, -2.0)) == "nn.ShapedRelu(1.0, -2.0)"


@pytest.mark.parametrize("activation", [nn.Tanh(), nn.Silu()])
def test_smooth_is_the_function_of_a_small_argument(activation, x64):
    """At depth 9 and a = 2, s = 6; the second moment by quadrature of Gauss and Hermite."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    moment = (weights / weights.sum()) @ np.asarray(activation(jax.numpy.asarray(nodes / 6))) ** 2
    written = nn.Sequential(nn.Scale(1 / 6), activation, nn.Scale(moment**-0.5))
    shaped, plain = network(nn.Shaped(activation, 2.0)), network(written)
    params = shaped.init(jax.random.key(0), (4,))
    unshaped = plain.init(jax.random.key(0), (4,))
    np.testing.assert_allclose(shaped.apply(params, X), plain.apply(unshaped, X), rtol=1e-12)


def test_curvatures(x64):
    """By hand: those of the hyperbolic tangent and of `x sigmoid(x)`; known where traced."""
    assert nn.Shaped(nn.Tanh(), 1.0).curvatures == pytest.approx((0.0, -2.0))
    assert nn.Shaped(nn.Silu(), 1.0).curvatures == pytest.approx((1.0, 0.0))
    assert nn.Shaped(nn.Tanh(), 1.0).at_depth(math.inf) == nn.Identity()

    def third(b):
        return nn.Shaped(nn.Erf(b=b), 1.0).curvatures.third

    np.testing.assert_allclose(jax.jit(third)(1.5), third(1.5), rtol=1e-12)  # -2 b^2
    np.testing.assert_allclose(jax.grad(third)(1.5), -6.0, rtol=1e-12)


def test_smooth_may_be_traced(x64):
    def output(a):
        net = network(nn.Shaped(nn.Silu(), a), 2)
        return net.apply(net.init(jax.random.key(0), (4,)), X).sum()

    np.testing.assert_allclose(jax.jit(output)(1.5), output(1.5), rtol=1e-12)
    np.testing.assert_allclose(jax.grad(output)(1.5), (output(1.5001) - output(1.4999)) / 2e-4, rtol=1e-5)


@pytest.mark.parametrize(
    ("activation", "a", "error", "message"),
    [
        (nn.Relu(), 1.0, ValueError, r"must be smooth; nn\.Relu\(\) has kinks at \(0\.0,\)"),
        (nn.Softplus(), 1.0, ValueError, "must be zero at zero; .* is 0.693"),
        (nn.Monomial(3), 1.0, ValueError, "must have a slope at zero"),
        (nn.Tanh(), 0.0, ValueError, "a must be positive; received 0"),
        (nn.Tanh(), "one", TypeError, "a must be a real number"),
        (nn.Dense(3), 1.0, TypeError, r"activation must be an activation of nnlimits\.nn"),
    ],
)
def test_bad_smooth_activations(activation, a, error, message):
    with pytest.raises(error, match=message):
        nn.Shaped(activation, a)


def test_smooth_outside_of_a_repeat():
    with pytest.raises(nn.ShapeError, match=r"Shaped at position 1 stands in no nn\.Repeat .* the activation itself"):
        nn.Sequential(nn.Dense(4), nn.Shaped(nn.Tanh(), 1.0)).init(jax.random.key(0), (4,))
    infinite = nn.Elementwise(lambda x: x / (1 - x), kinks=())
    with pytest.raises(ValueError, match="has the second moment"):
        network(nn.Shaped(infinite, 1.0)).output_shape((4,))
    assert repr(nn.Shaped(nn.Tanh(), 2.0)) == "nn.Shaped(nn.Tanh(), 2.0)"
