"""Duals of sines, exponentials and Gaussians against mpmath, 40 digits, or quadrature."""

import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.kernels import dual, moments

pytestmark = pytest.mark.usefixtures("x64")


def sine_moments(a, b, shift):
    """From `E[exp(i b (u -+ v))] = exp(-b^2 (q1 + q2 -+ 2 k) / 2)`."""

    def wave(q1, q2, c, sign):
        k = mp.sqrt(q1 * q2) * c
        apart, together = (mp.exp(-(b**2) * (q1 + q2 - s * 2 * k) / 2) for s in (1, -1))
        return a**2 / 2 * (apart - sign * mp.cos(2 * shift) * together)

    def value(q1, q2, c):
        return wave(q1, q2, c, 1)

    def derivative(q1, q2, c):
        return b**2 * wave(q1, q2, c, -1)

    return value, derivative


with mp.workdps(40):
    QUARTER = mp.pi / 2
    SINES = [
        (nn.Sin(), *sine_moments(mp.mpf(1), mp.mpf(1), mp.mpf(0))),
        (nn.Sin(0.5, 2.0, 0.75), *sine_moments(mp.mpf(0.5), mp.mpf(2), mp.mpf(0.75))),
        (nn.Cos(), *sine_moments(mp.mpf(1), mp.mpf(1), QUARTER)),
        (nn.Cos(0.5, 2.0, 0.75), *sine_moments(mp.mpf(0.5), mp.mpf(2), QUARTER + mp.mpf(0.75))),
        (nn.Rbf(0.25), *sine_moments(mp.sqrt(2), mp.sqrt(mp.mpf(0.5)), mp.pi / 4)),
        (nn.Rbf(), *sine_moments(mp.sqrt(2), mp.sqrt(mp.mpf(2)), mp.pi / 4)),
    ]


@pytest.mark.parametrize(("activation", "value", "derivative"), SINES, ids=[repr(c[0]) for c in SINES])
def test_sine_dual_against_mpmath(activation, value, derivative, pairs, dual_errors):
    assert max(dual_errors(dual(activation, *jnp.asarray(pairs)), value, derivative)) < 1e-12


@pytest.mark.parametrize(("activation", "value", "derivative"), SINES, ids=[repr(c[0]) for c in SINES])
def test_sine_moments_against_mpmath(activation, value, derivative, pairs):
    found = moments(activation, *jnp.asarray(pairs))
    with mp.workdps(40):
        for q1, q2, d, m in zip(*pairs, found.value, strict=True):
            u, v, c = mp.mpf(q1), mp.mpf(q2), 1 - mp.mpf(d)
            scale = mp.sqrt(value(u, u, mp.mpf(1)) * value(v, v, mp.mpf(1)))
            assert abs(value(u, v, c) - float(m)) < 1e-12 * scale


def exponential(a, b):
    """`E[exp(b u + b v)] = exp(b^2 (q1 + q2 + 2 k) / 2)`."""
    return lambda q1, q2, c: a**2 * mp.exp(b**2 * (q1 + q2 + 2 * mp.sqrt(q1 * q2) * c) / 2)


def gaussian(a, b):
    """`E[exp(b u^2 + b v^2)] = det(1 - 2 b K)^(-1/2)`."""
    return lambda q1, q2, c: a**2 / mp.sqrt((1 - 2 * b * q1) * (1 - 2 * b * q2) - 4 * b**2 * q1 * q2 * c**2)


def by_price(value):
    def derivative(q1, q2, c):
        root = mp.sqrt(q1 * q2)
        return mp.diff(lambda k: value(q1, q2, k / root), root * c, h=root * mp.mpf(10) ** -15)

    return derivative


CASES = [
    (nn.Exp(), exponential(mp.mpf(1), mp.mpf(1)), 50.0),
    (nn.Exp(2.0, -0.5), exponential(mp.mpf(2), mp.mpf(-0.5)), 50.0),
    (nn.Gaussian(), gaussian(mp.mpf(1), mp.mpf(-1)), 1e7),
    (nn.Gaussian(2.0, -0.125), gaussian(mp.mpf(2), mp.mpf(-0.125)), 1e7),
]


@pytest.mark.parametrize(("activation", "value", "largest"), CASES, ids=[repr(c[0]) for c in CASES])
def test_moments_against_mpmath(activation, value, largest, pairs):
    """`exp` of a unit of variance 1e3 overflows, so its variances end at 50."""
    chosen = pairs[:, pairs[1] < largest]
    found = moments(activation, *jnp.asarray(chosen))
    derivative = by_price(value)
    with mp.workdps(40):
        for q1, q2, d, v, s in zip(*chosen, *found, strict=True):
            u, w, c = mp.mpf(q1), mp.mpf(q2), 1 - mp.mpf(d)
            for f, ours in ((value, v), (derivative, s)):
                scale = mp.sqrt(f(u, u, mp.mpf(1)) * f(w, w, mp.mpf(1)))
                assert abs(f(u, w, c) - float(ours)) < 1e-12 * scale


def test_growing_gaussian_within_its_domain(nested_quadrature):
    q1, q2, d = np.array([(0.5, 1.0, 0.3), (1.0, 1.0, 0.0), (1.0, 1.0, 2.0)]).T
    found = moments(nn.Gaussian(1.0, 0.05), *jnp.asarray((q1, q2, d)))
    expected = [nested_quadrature(lambda x: np.exp(0.05 * x**2), (), *pair) for pair in zip(q1, q2, d, strict=True)]
    np.testing.assert_allclose(found.value, expected, rtol=1e-12)


@pytest.mark.slow
def test_gabor_against_quadrature(pairs, nested_quadrature):
    chosen = pairs[:, :: max(1, pairs.shape[1] // 60)]
    q1, q2, _ = chosen
    found = moments(nn.Gabor(), *jnp.asarray(chosen))
    functions = (
        lambda x: np.exp(-(x**2)) * np.sin(x),
        lambda x: np.exp(-(x**2)) * (np.cos(x) - 2 * x * np.sin(x)),
    )
    for ours, f in zip(found, functions, strict=True):
        square = {q: nested_quadrature(f, (), q, q, 0.0) for q in {*q1, *q2}}
        scale = np.sqrt([square[a] * square[b] for a, b in zip(q1, q2, strict=True)])
        expected = np.array([nested_quadrature(f, (), *pair) for pair in chosen.T])
        np.testing.assert_allclose((np.asarray(ours) - expected) / scale, 0, atol=1e-12)


def test_normalized_exponential(pairs):
    """`E[r1 exp(g u / r1) r2 exp(g v / r2)] exp(gamma (shift - 1)) = sqrt(q1 q2) exp(gamma (c + shift))`, `g^2 = gamma`."""
    q1, q2, d = pairs
    found = dual(nn.ExpNormalized(0.7, -0.3), *jnp.asarray(pairs))
    value = np.sqrt(q1 * q2) * np.exp(0.7 * (1 - d - 0.3))
    scale = np.sqrt(q1 * q2) * np.exp(0.7 * 0.7)
    ours = np.sqrt(np.asarray(found.q1) * np.asarray(found.q2)) * (1 - np.asarray(found.deficit))
    np.testing.assert_allclose((ours - value) / scale, 0, atol=1e-14)
    np.testing.assert_allclose(found.derivative, 0.7 * np.exp(0.7 * (1 - d - 0.3)), rtol=1e-14)
