"""Duals of polynomials against exact quadrature and against their own orthogonality."""

import math

import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.kernels import dual, moments
from nnlimits.kernels.hermite import hermite_powers

pytestmark = pytest.mark.usefixtures("x64")

POLYNOMIALS = [
    (nn.Polynomial((0.1, 0.5, 0.2)), (0.1, 0.5, 0.2)),
    (nn.Polynomial((1.0, -0.5, 0.25, 2.0, -0.125)), (1.0, -0.5, 0.25, 2.0, -0.125)),
    (nn.Polynomial((3.0,)), (3.0,)),
    (nn.Monomial(0), (1.0,)),
    (nn.Monomial(1), (0.0, 1.0)),
    (nn.Monomial(4), (0.0, 0.0, 0.0, 0.0, 1.0)),
    (nn.Hermite(0), (1.0,)),
    (nn.Hermite(2), (-(0.5**0.5), 0.0, 0.5**0.5)),
    (nn.Hermite(5), tuple(c / math.sqrt(120) for c in (0, 15, 0, -10, 0, 1))),
]


def gaussian_moments(q1, q2, c, degree):
    """`E[u^i v^j]` for all `i, j <= degree` by Isserlis' recursion, `E[u^i v^j] = (i-1) q1 E[u^(i-2) v^j] + j k E[...]`."""
    k = mp.sqrt(q1 * q2) * c
    table = {}

    def moment(i, j):
        if i < 0 or j < 0:
            return mp.mpf(0)
        if i == j == 0:
            return mp.mpf(1)
        if (i, j) not in table:
            if i > 0:
                table[i, j] = (i - 1) * q1 * moment(i - 2, j) + j * k * moment(i - 1, j - 1)
            else:
                table[i, j] = (j - 1) * q2 * moment(0, j - 2)
        return table[i, j]

    return moment


def expectation(powers, q1, q2, c):
    moment = gaussian_moments(q1, q2, c, len(powers))
    return mp.fsum(mp.mpf(a) * mp.mpf(b) * moment(i, j) for i, a in enumerate(powers) for j, b in enumerate(powers))


@pytest.mark.parametrize(("activation", "powers"), POLYNOMIALS, ids=[repr(p[0]) for p in POLYNOMIALS])
def test_moments_against_isserlis(activation, powers, pairs):
    chosen = pairs[:, ::7]
    found = moments(activation, *jnp.asarray(chosen))
    slopes = tuple(d * p for d, p in enumerate(powers))[1:] or (0.0,)
    with mp.workdps(40):
        for polynomial, values in ((powers, found.value), (slopes, found.derivative)):
            for q1, q2, d, ours in zip(*chosen, np.broadcast_to(values, chosen[0].shape), strict=True):
                u, v = mp.mpf(q1), mp.mpf(q2)
                scale = mp.sqrt(expectation(polynomial, u, u, mp.mpf(1)) * expectation(polynomial, v, v, mp.mpf(1)))
                assert abs(expectation(polynomial, u, v, 1 - mp.mpf(d)) - float(ours)) <= 1e-13 * scale


@pytest.mark.parametrize("degree", [1, 2, 3, 7])
def test_hermite_is_a_power_at_unit_variance(degree):
    """O'Donnell 2014, Proposition 11.31."""
    c = np.linspace(-1, 1, 21)
    found = dual(nn.Hermite(degree), jnp.ones(21), jnp.ones(21), jnp.asarray(1 - c))
    np.testing.assert_allclose(found.q1, 1, rtol=1e-13)
    np.testing.assert_allclose(1 - np.asarray(found.deficit), c**degree, atol=1e-13)
    np.testing.assert_allclose(found.derivative, degree * c ** (degree - 1), atol=1e-12)


def test_hermite_powers_are_numpys():
    for degree in range(9):
        basis = np.polynomial.hermite_e.herme2poly([0.0] * degree + [1.0]) / math.sqrt(math.factorial(degree))
        np.testing.assert_allclose(hermite_powers(degree), basis, rtol=1e-14)
