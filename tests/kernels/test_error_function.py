"""Duals of Erf and the exact Gelu against mpmath, 40 digits."""

import jax.numpy as jnp
import mpmath as mp
import pytest

from nnlimits import nn
from nnlimits.kernels import dual, moments

pytestmark = pytest.mark.usefixtures("x64")


def erf_moments(a, b, shift):
    a, b, shift = mp.mpf(a), mp.mpf(b), mp.mpf(shift)

    def parts(q1, q2, c):
        p1, p2 = 2 * b**2 * q1, 2 * b**2 * q2
        return mp.sqrt(p1 * p2) * c, (1 + p1) * (1 + p2)

    def value(q1, q2, c):
        k, box = parts(q1, q2, c)
        return a**2 * 2 / mp.pi * mp.asin(k / mp.sqrt(box)) + shift**2

    def derivative(q1, q2, c):
        k, box = parts(q1, q2, c)
        return a**2 * 4 * b**2 / mp.pi / mp.sqrt(box - k**2)

    return value, derivative


def gelu_value(q1, q2, c):
    """`E[u Phi(u) v Phi(v)]` by two uses of Stein's lemma and the Gaussian tilt `pdf(u) N(0, K)`."""
    k = mp.sqrt(q1 * q2) * c
    both = mp.mpf(1) / 4 + mp.asin(k / mp.sqrt((1 + q1) * (1 + q2))) / (2 * mp.pi)
    rest1, rest2 = q1 - k**2 / (1 + q2), q2 - k**2 / (1 + q1)
    tilt1, tilt2 = (1 / mp.sqrt(2 * mp.pi * (1 + q)) for q in (q1, q2))
    v_pdf_cdf = tilt1 * rest2 / mp.sqrt(2 * mp.pi * (1 + rest2))  # E[pdf(u) v Phi(v)]
    cdf_v_pdf = tilt2 * k / (1 + q2) / mp.sqrt(2 * mp.pi * (1 + rest1))  # E[Phi(u) v pdf(v)]
    return q1 * v_pdf_cdf + k * (both + cdf_v_pdf)


def by_price(value):
    """`E[phi' phi']`, the derivative of `E[phi phi]` in the covariance."""

    def derivative(q1, q2, c):
        root = mp.sqrt(q1 * q2)
        return mp.diff(lambda k: value(q1, q2, k / root), root * c, h=root * mp.mpf(10) ** -15)

    return derivative


CASES = [
    (nn.Erf(), *erf_moments(1, 1, 0)),
    (nn.Erf(0.5, 2.0, -0.25), *erf_moments(0.5, 2, -0.25)),
    (nn.Erf(1.0, 0.5**0.5, 0.0), *erf_moments(1, 0.5**0.5, 0)),
    (nn.Gelu(), gelu_value, by_price(gelu_value)),
]


@pytest.mark.parametrize(("activation", "value", "derivative"), CASES, ids=[repr(c[0]) for c in CASES])
def test_dual_against_mpmath(activation, value, derivative, pairs, dual_errors):
    assert max(dual_errors(dual(activation, *jnp.asarray(pairs)), value, derivative)) < 1e-12


@pytest.mark.parametrize(("activation", "value", "derivative"), CASES, ids=[repr(c[0]) for c in CASES])
def test_moments_against_mpmath(activation, value, derivative, pairs):
    found = moments(activation, *jnp.asarray(pairs))
    with mp.workdps(40):
        for q1, q2, d, v in zip(*pairs, found.value, strict=True):
            u, w, c = mp.mpf(q1), mp.mpf(q2), 1 - mp.mpf(d)
            scale = mp.sqrt(value(u, u, mp.mpf(1)) * value(w, w, mp.mpf(1)))
            assert abs(value(u, w, c) - float(v)) < 1e-12 * scale
