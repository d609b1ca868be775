"""The dual of every activation against Monte Carlo, and Price's theorem; how a new activation takes part."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn
from nnlimits.kernels import Moments, dual, moments

SAMPLES = 400_000
PAIRS = np.array(
    [(1.0, 1.0, 0.0), (1.0, 1.0, 0.02), (0.3, 2.0, 0.4), (1.5, 1.5, 1.0), (2.0, 0.5, 1.7), (1.0, 1.0, 2.0)]
)
# five-point stencils in the covariance
CENTRES = np.array([(1.0, 1.0, 0.05), (0.3, 2.0, 0.4), (2.0, 0.5, 1.0), (1.5, 1.5, 1.9)])
STEP = 2e-3


@pytest.fixture
def found(activation):
    """The dual at `PAIRS`, then at the stencils around `CENTRES`; compiled once an activation."""
    stencils = (CENTRES[:, None] + np.array([-2, -1, 0, 1, 2])[:, None] * np.array([0, 0, STEP])).reshape(-1, 3)
    with jax.enable_x64(True):
        result = jax.jit(dual)(activation, *jnp.asarray(np.concatenate([PAIRS, stencils]).T))
        return [np.asarray(v) for v in result]


def samples(activation, variance, x):
    """The activation and its derivative at draws of a unit of known variance."""
    if isinstance(activation, nn.ExpNormalized):
        r, gamma = np.sqrt(variance), activation.gamma
        value = r * np.exp(np.sqrt(gamma) * x / r + gamma * (activation.shift - 1) / 2)
        return value, np.sqrt(gamma) * value / r
    with jax.enable_x64(True):
        x = jnp.asarray(x)
        return [np.asarray(v) for v in jax.jvp(activation, (x,), (jnp.ones_like(x),))]


def test_monte_carlo(activation, found):
    """Seed 0, 400,000 pairs: `E[phi phi]` and `E[phi' phi']` within 4.5 standard errors.

    4.5 is exceeded by chance once in 147,000; with 12 comparisons for each of 33 activations, in one of 370 seeds. The
    standard errors themselves are below 2 % of the quantity's scale, so that a wrong formula cannot hide.
    """
    z1, z2 = np.random.default_rng(0).standard_normal((2, SAMPLES))
    p1, p2, deficit, derivative = (v[: len(PAIRS)] for v in found)
    value = np.sqrt(p1 * p2) * (1 - deficit)
    for i, (q1, q2, d) in enumerate(PAIRS):
        u = samples(activation, q1, np.sqrt(q1) * z1)
        v = samples(activation, q2, np.sqrt(q2) * ((1 - d) * z1 + np.sqrt(d * (2 - d)) * z2))
        for a, b, ours in ((u[0], v[0], value[i]), (u[1], v[1], derivative[i])):
            product = a * b
            error = product.std() / np.sqrt(SAMPLES)
            scale = np.sqrt((a**2).mean() * (b**2).mean())
            assert error <= 0.02 * scale
            assert abs(product.mean() - ours) <= 4.5 * error + 1e-12 * scale


def test_price(activation, found):
    """`d E[phi phi] / dk = E[phi' phi']` (Price 1958), by finite differences of fourth order.

    The step in the correlation is 0.002: the truncation is of order 1e-10 of the fifth derivative, which near a kink
    (angle^-7, at deficit 0.05 and 1.9) is some thousands.
    """
    if isinstance(activation, nn.Step | nn.Sign):
        pytest.skip("a jump: its derivative is zero almost everywhere, and Price's derivative is a delta function's")
    p1, p2, deficit, derivative = (v[len(PAIRS) :].reshape(-1, 5) for v in found)
    value = np.sqrt(p1 * p2) * (1 - deficit)
    slope = (value[:, 0] - 8 * value[:, 1] + 8 * value[:, 3] - value[:, 4]) / (12 * STEP)
    by_covariance = -slope / np.sqrt(CENTRES[:, 0] * CENTRES[:, 1])
    np.testing.assert_allclose(by_covariance, derivative[:, 2], rtol=2e-6, atol=1e-9)


class Softsign(nn.Activation):
    """An activation that the library does not know."""

    kinks = (0.0,)

    def __call__(self, x):
        return x / (1 + jnp.abs(x))


class Cube(nn.Activation):
    kinks = ()

    def __call__(self, x):
        return x**3


def test_an_unknown_activation_is_refused_by_name():
    network = nn.Sequential(nn.Dense(8), Softsign(), nn.Dense(1))
    with pytest.raises(
        NotImplementedError, match=r"Softsign has no dual.*moments\.register.*nn\.Elementwise\(function\)"
    ):
        nl.kernel(network)(np.eye(3))


def test_a_new_activation_needs_its_moments_only():
    @moments.register
    def _(activation: Cube, q1, q2, deficit):
        k = jnp.sqrt(q1 * q2) * (1 - deficit)
        return Moments(9 * q1 * q2 * k + 6 * k**3, 9 * (q1 * q2 + 2 * k**2))

    x = np.random.default_rng(0).standard_normal((5, 3))
    ours, known = (nl.kernel(nn.Sequential(nn.Dense(8, 1.2, 0.3), a, nn.Dense(1)))(x) for a in (Cube(), nn.Monomial(3)))
    np.testing.assert_allclose(np.asarray(ours.nngp), np.asarray(known.nngp), rtol=1e-12)
    np.testing.assert_allclose(np.asarray(ours.ntk), np.asarray(known.ntk), rtol=1e-12)
