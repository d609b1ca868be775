"""Closed forms of exponential linear units against quadrature."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from expectations import panels

from nnlimits import nn
from nnlimits.fluctuations.exponential_linear import exponential_linear, hermite_coefficients, squares

pytestmark = pytest.mark.usefixtures("x64")
MEANS = np.array([-30.0, -5.0, -0.7, 0.0, 0.4, 3.0, 25.0])
ALPHA, TERMS = 1.3, 80


@partial(jax.jit, static_argnums=2)
def closed(mean, deviation, terms):
    function = exponential_linear(nn.Elu(ALPHA), mean.dtype)
    return squares(function, mean, deviation), hermite_coefficients(function, mean, deviation, terms)


def by_quadrature(mean, deviation):
    kink = -mean / deviation
    z, w = panels(np.array([*np.linspace(-12, 12, 49), *(kink - np.array([0, 1, 3, 10, 30]) / deviation)]))
    u = mean + deviation * z
    phi = np.where(u > 0, u, ALPHA * np.expm1(np.minimum(u, 0)))
    slope = np.where(u > 0, 1.0, ALPHA * np.exp(np.minimum(u, 0)))
    before, now, hermite = np.zeros_like(z), np.ones_like(z), []
    for j in range(TERMS):
        hermite.append(now)
        before, now = now, (z * now - np.sqrt(j) * before) / np.sqrt(j + 1)
    factors = np.stack([phi, slope, phi**2, phi * slope, slope**2])
    return factors @ w, np.stack(hermite) @ (w * np.stack([phi, slope])).T


@pytest.mark.parametrize(
    ("deviation", "tolerance"), [(0.01, 1e-13), (1.2, 1e-13), (5.4, 1e-9), (5.6, 1e-9), (20.0, 1e-9)]
)
def test_hermite_coefficients(deviation, tolerance):
    """80 terms; on both sides of the variance 30, where the method changes and is least accurate."""
    seen_squares, seen = closed(jnp.array(MEANS), deviation, TERMS)
    for i, mean in enumerate(MEANS):
        expected_squares, expected = by_quadrature(mean, deviation)
        scale = 1 + np.abs(expected).max()
        assert np.abs(seen_squares[:, i] - expected_squares).max() < 1e-12 * (1 + np.abs(expected_squares).max())
        assert np.abs(seen[:, :, i] - expected).max() < tolerance * scale, mean


@pytest.mark.slow
def test_a_unit_without_deviation():
    """That of a unit whose value the first two determine; and its derivatives are finite."""
    seen, coefficients = closed(jnp.array(MEANS), 0.0, TERMS)
    phi = np.where(MEANS > 0, MEANS, ALPHA * np.expm1(np.minimum(MEANS, 0)))
    assert np.abs(seen[0] - phi).max() < 1e-14
    assert np.abs(seen[2] - phi**2).max() < 1e-12
    assert np.abs(coefficients[1:]).max() == 0
    total = jax.grad(lambda d: sum(part.sum() for part in closed(jnp.array(MEANS), d, TERMS)))
    assert np.isfinite(total(0.0))


def test_which_are_of_this_kind():
    for function, word in ((jax.nn.elu, nn.Elu()), (jax.nn.celu, nn.Elu()), (jax.nn.selu, nn.Selu())):
        assert exponential_linear(nn.Elementwise(function), jnp.dtype(float)) == exponential_linear(
            word, jnp.dtype(float)
        )
    below, above = exponential_linear(nn.Selu(), jnp.dtype(float))
    u = np.array([-2.0, -0.1, 0.3])
    expected = np.where(u > 0, above * u, below * np.expm1(u))
    assert np.abs(nn.Selu()(jnp.array(u)) - expected).max() < 1e-15
    assert exponential_linear(nn.Elementwise(jnp.tanh), jnp.dtype(float)) is None
