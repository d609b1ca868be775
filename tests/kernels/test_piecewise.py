"""Arc-cosine duals (Cho & Saul 2009) against mpmath, 40 digits, and quadrature."""

import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.kernels import dual, moments

pytestmark = pytest.mark.usefixtures("x64")


def angular(order, c):
    """`2 pi E[relu(u)^n relu(v)^n]` at unit variances, Cho & Saul 2009, equations 4 to 6."""
    theta = mp.acos(c)
    if order == 0:
        return mp.pi - theta
    if order == 1:
        return mp.sin(theta) + (mp.pi - theta) * c
    return 3 * mp.sin(theta) * c + (mp.pi - theta) * (1 + 2 * c**2)


def two_slopes(a, b):
    """`phi = a min(x, 0) + b max(x, 0) = a x + (b - a) relu(x)`."""
    a, b = mp.mpf(a), mp.mpf(b)

    def value(q1, q2, c):
        # E[u relu(v)] = k / 2
        return mp.sqrt(q1 * q2) * (a**2 * c + a * (b - a) * c + (b - a) ** 2 * angular(1, c) / (2 * mp.pi))

    def derivative(q1, q2, c):
        return a**2 + a * (b - a) + (b - a) ** 2 * angular(0, c) / (2 * mp.pi)

    return value, derivative


def nothing(q1, q2, c):
    return mp.mpf(0)


CASES = [
    (nn.Relu(), *two_slopes(0, 1)),
    (nn.LeakyRelu(0.1), *two_slopes(0.1, 1)),
    (nn.LeakyRelu(-0.5), *two_slopes(-0.5, 1)),
    (nn.ABRelu(0.25, 1.5), *two_slopes(0.25, 1.5)),
    (nn.Abs(), *two_slopes(-1, 1)),
    (nn.Step(), lambda q1, q2, c: angular(0, c) / (2 * mp.pi), nothing),
    (nn.Sign(), lambda q1, q2, c: 2 * angular(0, c) / mp.pi - 1, nothing),
    (nn.RectifiedMonomial(0), lambda q1, q2, c: angular(0, c) / (2 * mp.pi), nothing),
    (nn.RectifiedMonomial(1), *two_slopes(0, 1)),
    (
        nn.RectifiedMonomial(2),
        lambda q1, q2, c: q1 * q2 * angular(2, c) / (2 * mp.pi),
        lambda q1, q2, c: 4 * mp.sqrt(q1 * q2) * angular(1, c) / (2 * mp.pi),
    ),
]


@pytest.mark.parametrize(("activation", "value", "derivative"), CASES, ids=[repr(c[0]) for c in CASES])
def test_dual_against_mpmath(activation, value, derivative, pairs, dual_errors):
    assert max(dual_errors(dual(activation, *jnp.asarray(pairs)), value, derivative)) < 1e-12


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 4])
def test_rectified_monomials_against_quadrature(degree, nested_quadrature):
    q1, q2, deficit = np.array([(1.0, 1.0, 0.0), (0.1, 3.0, 1e-4), (2.0, 0.5, 0.4), (1.0, 1.0, 1.0), (5.0, 7.0, 1.9)]).T
    found = moments(nn.RectifiedMonomial(degree), *jnp.asarray((q1, q2, deficit)))

    def power(n):
        return lambda x: np.where(x > 0, np.abs(x) ** n, 0.0)

    for values, f in ((found.value, power(degree)), (found.derivative, lambda x: degree * power(degree - 1)(x))):
        if degree == 0 and values is found.derivative:
            np.testing.assert_array_equal(values, 0)
            continue
        expected = [nested_quadrature(f, (0.0,), *pair) for pair in zip(q1, q2, deficit, strict=True)]
        squares = [[nested_quadrature(f, (0.0,), v, v, 0.0) for v in q] for q in (q1, q2)]
        np.testing.assert_allclose((np.asarray(values) - expected) / np.sqrt(np.prod(squares, axis=0)), 0, atol=1e-12)


def test_small_deficits_keep_their_relative_accuracy():
    """What makes deep kinked networks accurate: the deficit's own relative error is rounding, at any size."""
    deficit = np.logspace(-30, -2, 29)
    for activation, slope in ((nn.Relu(), 1.0), (nn.LeakyRelu(0.1), 1.0), (nn.ABRelu(0.25, 1.5), 1.0)):
        found = dual(activation, jnp.ones(29), jnp.ones(29), jnp.asarray(deficit))
        with mp.workdps(60):
            value, _ = two_slopes(*{nn.Relu: (0, 1), nn.LeakyRelu: (0.1, 1), nn.ABRelu: (0.25, 1.5)}[type(activation)])
            one = mp.mpf(1)
            exact = [float(1 - value(one, one, 1 - mp.mpf(d)) / value(one, one, one)) for d in deficit]
        np.testing.assert_allclose(found.deficit, exact, rtol=1e-14)
        assert found.deficit[0] == pytest.approx(slope * deficit[0])


def test_flat_and_linear_cases():
    q, d = jnp.array([0.5, 2.0]), jnp.array([0.3, 1.7])
    linear = dual(nn.ABRelu(2.0, 2.0), q, q, d)
    np.testing.assert_allclose(linear.deficit, d, rtol=1e-15)
    np.testing.assert_allclose(linear.derivative, 4.0, rtol=1e-15)
    zero = dual(nn.ABRelu(0.0, 0.0), q, q, d)
    np.testing.assert_array_equal(zero.q1, 0)
    assert np.isfinite(zero.deficit).all()
