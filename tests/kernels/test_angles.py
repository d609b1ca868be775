"""Fast arc-cosine kernels and angles against mpmath, in both precisions."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from nnlimits.kernels.angles import angle_of, arc_cosine_deficits

SMALL = np.concatenate([[0.0], np.logspace(-30, -1, 30), np.linspace(0.15, 1.0, 18)])
DTYPES = [np.float32, np.float64]


def exact(deficit):
    """`1 - kappa_1` and `1 - kappa_0` of Cho & Saul 2009, 50 digits."""
    with mp.workdps(50):
        c = 1 - mp.mpf(float(deficit))
        theta = mp.acos(c)
        return float(1 - (mp.sin(theta) + (mp.pi - theta) * c) / mp.pi), float(theta / mp.pi)


@pytest.mark.parametrize("dtype", DTYPES)
def test_relative_accuracy_at_small_deficits(dtype):
    with jax.enable_x64(True):
        deficit = np.asarray(SMALL, dtype)
        order1, order0 = (np.asarray(v) for v in jax.jit(arc_cosine_deficits)(jnp.asarray(deficit)))
    assert order1.dtype == order0.dtype == dtype
    reference = np.array([exact(d) for d in deficit]).T
    for ours, theirs in zip((order1, order0), reference, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=16 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_other_half(dtype):
    with jax.enable_x64(True):
        deficit = np.asarray(2 - SMALL, dtype)
        found = [np.asarray(v) for v in jax.jit(arc_cosine_deficits)(jnp.asarray(deficit))]
    reference = np.array([exact(d) for d in deficit]).T
    np.testing.assert_allclose(found, reference, rtol=0, atol=4 * np.finfo(dtype).eps)
    np.testing.assert_allclose(found[1][0], 1, rtol=1e-15)


def test_derivatives(x64):
    deficit = jnp.asarray([1e-10, 1e-3, 0.4, 1.0, 1.7, 1.999])
    order1, order0 = (jax.vmap(jax.grad(lambda d, i=i: arc_cosine_deficits(d)[i]))(deficit) for i in (0, 1))
    theta = np.array([float(mp.acos(1 - mp.mpf(float(d)))) for d in deficit])
    np.testing.assert_allclose(order1, 1 - theta / np.pi, rtol=1e-6)
    np.testing.assert_allclose(order0, 1 / (np.pi * np.sin(theta)), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_derivatives_are_finite_at_the_ends(dtype):
    with jax.enable_x64(True):
        for end in (0.0, 2.0):
            _, (slope1, slope0) = jax.jvp(arc_cosine_deficits, (jnp.asarray(end, dtype),), (jnp.ones((), dtype),))
            assert slope1 == (1 if end == 0 else 0)
            assert slope0 == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_angle_of(dtype):
    with mp.workdps(40):
        theta = [mp.mpf(t) for t in np.linspace(-1.5707, 1.5707, 41)]
        theta += [mp.pi / 2 - mp.mpf(10) ** -k for k in range(1, 12)] + [mp.mpf(10) ** -k for k in range(1, 30)]
        sine, cosine = (np.array([float(f(t)) for t in theta]).astype(dtype) for f in (mp.sin, mp.cos))
        reference = np.array(
            [float(mp.atan2(mp.mpf(float(s)), mp.mpf(float(c)))) for s, c in zip(sine, cosine, strict=True)]
        )
    with jax.enable_x64(True):
        np.testing.assert_allclose(
            jax.jit(angle_of)(jnp.asarray(sine), jnp.asarray(cosine)), reference, rtol=16 * np.finfo(dtype).eps
        )
        for s, c in ((0.0, 1.0), (1.0, 0.0), (-1.0, 0.0), (0.6, 0.8)):
            slopes = jax.grad(angle_of, argnums=(0, 1))(jnp.asarray(s, dtype), jnp.asarray(c, dtype))
            np.testing.assert_allclose(slopes, (c, -s), rtol=1e-6)
