"""The quick ways to `E[phi_a phi_b phi_c phi_d]` against quadrature, against each other, and where units coincide."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from expectations import one_factor

from nnlimits import nn
from nnlimits.fluctuations.fourth_moments import fourth_moments
from nnlimits.fluctuations.products import products

pytestmark = pytest.mark.usefixtures("x64")
LOADINGS, DEVIATIONS = np.array([1.1, -0.8, 0.9, 0.7]), np.array([0.7, 0.5, 1.0, 0.6])


@partial(jax.jit, static_argnums=0)
def found(activation, kernel):
    return fourth_moments(activation, kernel)


@pytest.mark.parametrize(
    ("activation", "phi", "kinks", "tolerance"),
    [
        (nn.LeakyRelu(0.3), lambda z: np.where(z > 0, z, 0.3 * z), (0.0,), 1e-12),
        (nn.Tanh(), np.tanh, (), 1e-7),
    ],
    ids=["rectifier", "smooth"],
)
def test_units_with_one_factor_in_common(activation, phi, kinks, tolerance):
    """Groups of four units, repeated ones too, in every order; a smooth nonlinearity as accurate as `products`."""
    got = found(activation, jnp.asarray(np.outer(LOADINGS, LOADINGS) + np.diag(DEVIATIONS**2)))
    for group in ((0, 1, 2, 3), (0, 0, 1, 2), (1, 3, 3, 2), (0, 0, 1, 1), (2, 2, 2, 0), (3, 3, 3, 3)):
        units, counts = np.unique(group, return_counts=True)
        powers = [lambda z, count=count: phi(z) ** count for count in counts]
        expected = one_factor(powers, kinks, LOADINGS[units], DEVIATIONS[units])
        for order in itertools.permutations(group):
            assert abs(got[order] - expected) < tolerance, order


def leaky(z):
    return np.where(z > 0, z, 0.3 * z)


def in_the_plane(directions):
    """Four unit vectors of the plane: between angles at which one of the units changes sign the integrand is a product of
    cosines, and the radius gives `E[r^4] = 8`."""
    ends = np.concatenate([np.mod(directions + s, 2 * np.pi) for s in (np.pi / 2, -np.pi / 2)])
    ends = np.sort(np.concatenate([ends, [0, 2 * np.pi]]))
    x, w = np.polynomial.legendre.leggauss(20)
    half = (ends[1:] - ends[:-1])[:, None] / 2
    at = ends[:-1, None] + half * (1 + x)
    product = leaky(np.cos(at[..., None] - directions)).prod(-1)
    return 8 / (2 * np.pi) * (half * w * product).sum()


def test_dependent_and_nearly_coincident_rectifiers():
    """Units in a plane, whose signs given two of them are certain: rounding enters by its square root, a few times 1e-8.

    The angles between units are from 1 to 1e-4, some turned by pi.
    """
    rng = np.random.default_rng(0)
    for scale in (1.0, 0.1, 1e-2, 1e-3, 1e-4):
        for turn in (0.0, np.pi):
            directions = scale * rng.normal(size=4) + turn * np.array([0, 1, 0, 1])
            units = np.stack([np.cos(directions), np.sin(directions)], axis=1)
            got = np.array(found(nn.LeakyRelu(0.3), jnp.asarray(units @ units.T)))
            for group in itertools.combinations_with_replacement(range(4), 4):
                expected = in_the_plane(directions[list(group)])
                assert abs(got[group] - expected) < 3e-7, (scale, turn, group)


def test_coincident_units():
    """A repeated unit by its index, or by another one equal to it, of variances 1 and 2.

    Of smooth units that are all one, nodes in the plane serve where one dimension would do: 1.4e-7 at a variance of 2."""
    base = np.array([[1.0, 0.0], [0.8, 1.2]])
    same = [0, 1, 0, 1]
    for activation, tolerance in ((nn.LeakyRelu(0.3), 1e-8), (nn.Tanh(), 3e-7)):
        k = base[same] @ base[same].T
        got = np.array(found(activation, jnp.asarray(k)))
        once = np.array(found(activation, jnp.asarray(k + np.diag([0, 0, 1, 1]))))  # units 0 and 1 are untouched
        for group in itertools.product(range(4), repeat=4):
            assert abs(got[group] - once[tuple(np.array(same)[list(group)])]) < tolerance, (activation, group)


@pytest.mark.slow
def test_single_precision():
    """Rounding of 6e-8 enters by its square root where units are dependent; here they are not."""
    k = np.outer(LOADINGS, LOADINGS) + np.diag(DEVIATIONS**2)
    for activation in (nn.LeakyRelu(0.3), nn.Tanh()):
        single = found(activation, jnp.asarray(k, jnp.float32))
        assert single.dtype == jnp.float32
        assert abs(single - found(activation, jnp.asarray(k))).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("activation", [nn.Relu(), nn.Abs(), nn.ABRelu(-0.4, 0.7), nn.Gelu(), nn.Cos()], ids=repr)
def test_against_each_four_units_by_themselves(activation):
    """Variances of 2 at most, where `products` is accurate to 1e-6."""
    draw = np.random.default_rng(2).normal(size=(6, 8))
    k = jnp.asarray(2 * draw @ draw.T / (draw**2).sum(1).max())
    expected = jax.jit(lambda kernel: products(activation, kernel).plain)(k)
    assert abs(found(activation, k) - expected).max() < 1e-6 * abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize("activation", [nn.LeakyRelu(0.3), nn.Tanh()], ids=repr)
def test_derivatives(activation):
    """Against central differences of step 1e-4 along directions that leave coincident and dependent units so."""
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(4,) * 4)
    total = jax.jit(lambda x: (fourth_moments(activation, x @ x.T) * weights).sum())
    slope = jax.jit(jax.grad(lambda x: (fourth_moments(activation, x @ x.T) * weights).sum()))
    for dimensions, same in (
        (5, [0, 1, 2, 3]),
        (3, [0, 1, 2, 3]),
        (2, [0, 1, 2, 3]),
        (5, [0, 1, 0, 1]),
        (5, [0, 0, 0, 0]),
    ):
        x, to = (jnp.asarray(rng.normal(size=(4, dimensions))[same]) for _ in range(2))
        difference = (total(x + 1e-4 * to) - total(x - 1e-4 * to)) / 2e-4
        got = slope(x)
        assert bool(jnp.isfinite(got).all())
        assert abs((got * to).sum() - difference) < 1e-5 * abs(got * to).sum(), (dimensions, same)
