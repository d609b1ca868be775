"""Pairs: values, and first and second derivatives in the covariance."""

from functools import partial

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from expectations import one_factor

from nnlimits import nn
from nnlimits.fluctuations.pairs import pair_moments

pytestmark = pytest.mark.usefixtures("x64")
found = jax.jit(pair_moments, static_argnums=0)


def elu(z):
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


def elu_slope(z):
    return np.where(z > 0, 1, np.exp(np.minimum(z, 0)))


def hard(z):
    return np.clip(z, -1, 1)


def hard_slope(z):
    return (abs(z) < 1) * 1.0


CASES = {
    nn.Tanh(): (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    nn.Elu(): (elu, elu_slope),
    nn.HardTanh(): (hard, hard_slope),
}


def expectation(f, kinks, q1, q2, k):
    """`E[f(u) f(v)]`, the covariance split evenly between the two loadings."""
    root = np.sqrt(abs(k) / np.sqrt(q1 * q2))
    a, b = np.sqrt(q1) * root, np.sqrt(q2) * root * np.sign(k)
    return one_factor([f, f], kinks, [a, b], [np.sqrt(q1 - a**2), np.sqrt(q2 - b**2)])


@pytest.mark.slow
@pytest.mark.parametrize("activation", CASES, ids=repr)
def test_derivatives_by_finite_differences(activation):
    """Central differences of fourth order, h = 0.02: their error is h^4 times a sixth derivative, and 1e-14 / h^2."""
    place = np.array([1.3, 0.8, -0.45])
    got = found(activation, jnp.array([[1.3, -0.45], [-0.45, 0.8]]))
    h, shifts, slope = 0.02, np.arange(-2, 3), np.array([1, -8, 0, 8, -1]) / 12
    curvature = np.array([-1, 16, -30, 16, -1]) / 12
    for function, t in zip(CASES[activation], got, strict=True):

        def value(*offset, function=function):
            return expectation(function, activation.kinks, *(place + h * np.array(offset)))

        table = np.array([[[value(i, j, 0), value(i, 0, j), value(0, i, j)] for j in shifts] for i in shifts])
        first = [slope @ table[:, 2, 0], slope @ table[2, :, 0], slope @ table[2, :, 1]]
        second = [curvature @ table[:, 2, 0], curvature @ table[2, :, 0], curvature @ table[2, :, 1]]
        mixed = [slope @ table[..., i] @ slope for i in range(3)]
        assert abs(t.value[0, 1] - table[2, 2, 0]) < 1e-9
        for part, expected in zip((t.a, t.b, t.k), first, strict=True):
            assert abs(part[0, 1] - expected / h) < 2e-6
        for part, expected in zip((t.aa, t.bb, t.kk, t.ab, t.ak, t.bk), second + mixed, strict=True):
            assert abs(part[0, 1] - expected / h**2) < 2e-5
        assert abs(t.a[1, 0] - t.b[0, 1]) < 1e-14
        assert abs(t.ak[1, 0] - t.bk[0, 1]) < 1e-14


def test_relu_by_the_arc_cosine_kernel_and_its_derivatives():
    def closed(place):
        q1, q2, k = place
        c = k / jnp.sqrt(q1 * q2)
        theta = jnp.arccos(c)
        value = jnp.sqrt(q1 * q2) * (jnp.sin(theta) + (jnp.pi - theta) * c) / (2 * jnp.pi)
        return jnp.stack([value, (jnp.pi - theta) / (2 * jnp.pi)])

    gradient, hessian = jax.jit(jax.jacfwd(closed)), jax.jit(jax.hessian(closed))
    for q1, q2, c in ((1.3, 0.8, -0.45), (2.0, 1e-3, 0.9), (1e3, 5.0, -0.99), (1.0, 1.0, 1 - 1e-4)):
        k = c * np.sqrt(q1 * q2)
        place = jnp.array([q1, q2, k])
        got = found(nn.Relu(), jnp.array([[q1, k], [k, q2]]))
        first, second = gradient(place), hessian(place)
        for i, t in enumerate(got):
            assert abs(t.value[0, 1] / closed(place)[i] - 1) < 1e-12
            for n, part in enumerate((t.a, t.b, t.k)):
                assert abs(part[0, 1] / first[i, n] - 1) < 1e-8
            for (n, m), part in zip(((0, 0), (1, 1), (2, 2), (0, 1)), (t.aa, t.bb, t.kk, t.ab), strict=True):
                assert abs(part[0, 1] / second[i, n, m] - 1) < 1e-5
            assert abs(t.ak[0, 1] / second[i, 0, 2] - 1) < 1e-5
            assert abs(t.bk[0, 1] / second[i, 1, 2] - 1) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("activation", [nn.Tanh(), nn.Elu()], ids=repr)
def test_one_unit_by_mpmath(activation):
    """`E[phi^2]`, `E[phi'^2]` and two derivatives of each in the variance, from mpmath at 30 digits."""
    phi, slope = {
        nn.Tanh(): (mp.tanh, lambda z: 1 - mp.tanh(z) ** 2),
        nn.Elu(): (lambda z: z if z > 0 else mp.expm1(z), lambda z: mp.mpf(1) if z > 0 else mp.exp(z)),
    }[activation]
    got = found(activation, jnp.array([[0.7]]))
    with mp.workdps(30):
        for f, t in zip((phi, slope), got, strict=True):

            def square(q, f=f):
                ends = [-12, -6, -3, -1, 0, 1, 3, 6, 12]
                return mp.quad(lambda z: f(mp.sqrt(q) * z) ** 2 * mp.npdf(z), ends)

            for n, part in enumerate((t.value, t.k, t.kk)):
                assert abs(float(part[0, 0]) - float(mp.diff(square, mp.mpf(7) / 10, n))) < 1e-11


@pytest.mark.slow
def test_units_that_are_perfectly_correlated_or_zero():
    """Finite values, and those of one unit where two are the same."""
    kernel = jnp.array([[1.2, 1.2, -0.6, 0.0], [1.2, 1.2, -0.6, 0.0], [-0.6, -0.6, 0.3, 0.0], [0.0] * 4])
    for activation in (nn.Relu(), nn.Tanh()):
        got = found(activation, kernel)
        assert all(bool(jnp.isfinite(v).all()) for v in jax.tree.leaves(got))
        for t in got:
            assert abs(t.value[0, 1] - t.value[0, 0]) < 1e-9
        first = got.value
        assert abs(first.a[0, 1] + first.b[0, 1] + first.k[0, 1] - first.k[0, 0]) < 1e-8


@pytest.mark.slow
@pytest.mark.parametrize("activation", [nn.Relu(), nn.Tanh()], ids=repr)
def test_gradients_are_finite_at_hard_points(activation):
    kernel = jnp.array([[1.2, 1.2, -0.6], [1.2, 1.2, -0.6], [-0.6, -0.6, 0.3]])
    total = jax.jit(jax.grad(partial(_sum_of_leaves, activation)))
    assert bool(jnp.isfinite(total(kernel)).all())


def _sum_of_leaves(activation, kernel):
    moments = pair_moments(activation, kernel)
    return sum(part.sum() for part in jax.tree.leaves(moments))
