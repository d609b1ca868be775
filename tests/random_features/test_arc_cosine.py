"""Arc-cosine kernels against their integrals and the library's own kernels. Features: test_rates.py."""

import jax
import numpy as np
import pytest
import scipy.integrate

import nnlimits as nl
from nnlimits import nn
from nnlimits.random_features import arc_cosine_features, arc_cosine_kernel

X = np.random.default_rng(0).normal(size=(12, 4))


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("angle", [0.0, 0.3, 1.5, 3.0, np.pi])
def test_against_the_integral_over_directions(order, angle):
    # in the plane of both vectors: 2 E[step step (w x)^n (w y)^n], with E r^{2n} = 2^n n!
    def density(phi):
        first, second = np.cos(phi), np.cos(phi - angle)
        return float(first > 0 and second > 0) * (max(first, 0) * max(second, 0)) ** order / (2 * np.pi)

    integral, _ = scipy.integrate.quad(
        density, -np.pi, np.pi, points=[-np.pi / 2, angle - np.pi / 2, np.pi / 2], limit=200
    )
    expected = 2 * integral * (1, 2, 8)[order]
    pair = np.array([[1.0, 0.0], [np.cos(angle), np.sin(angle)]])
    assert arc_cosine_kernel(pair, order=order)[0, 1] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("order", "activation"), [(0, nn.Step()), (1, nn.Relu())])
def test_against_the_kernel_of_a_layer(order, activation):
    network = nn.Sequential(nn.Dense(1, w_std=2.0), activation, nn.Dense(1))  # w_std^2 / d = 1
    np.testing.assert_allclose(
        arc_cosine_kernel(X, order=order), 2 * np.asarray(nl.kernel(network).nngp(X)), rtol=1e-12
    )


def test_near_and_opposite_inputs():
    near = X[:1] * (1 + 1e-9) + 1e-9
    assert arc_cosine_kernel(X[:1], near, order=0)[0, 0] == pytest.approx(1.0, abs=1e-8)
    np.testing.assert_allclose(arc_cosine_kernel(X[:1], -X[:1], order=1), 0.0, atol=1e-14)


def test_zeros():
    x = np.zeros((1, 4))
    for order in (0, 1, 2):
        assert arc_cosine_kernel(x, X, order=order).max() == 0
        features = arc_cosine_features(4, 8, order=order, key=jax.random.key(0))(x)
        assert np.asarray(features).max() == 0


def test_refusals():
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="order must be 0, 1 or 2; received 3"):
        arc_cosine_features(4, 8, order=3, key=key)
    with pytest.raises(TypeError, match="order must be an integer"):
        arc_cosine_kernel(X, order=0.5)
    with pytest.raises(ValueError, match="x must have 4 columns, as the neurons have weights"):
        arc_cosine_features(4, 8, key=key)(X[:, :2])
    with pytest.raises(ValueError, match="x1 and x2 must have as many columns"):
        arc_cosine_kernel(X, X[:, :2])
