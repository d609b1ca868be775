"""Dictionaries of ridge units, and the networks made of them."""

import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.approximation.barron.claims import variation_of
from nnlimits.approximation.barron.network import shallow_network
from nnlimits.approximation.barron.ridge_units import SIGMOIDAL, RidgeUnits, Units, evaluated, to_cube
from nnlimits.approximation.domain import Box

ACTIVATIONS = [
    nn.Step(),
    nn.Sign(),
    nn.Sigmoid(),
    nn.Tanh(),
    nn.HardTanh(),
    nn.RectifiedMonomial(0),
    nn.Relu(),
    nn.RectifiedMonomial(1),
    nn.RectifiedMonomial(2),
]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_networks_are_their_units_on_other_boxes(activation):
    """Values between 0 and 1; the network, which merges linear units, is the constant and the units times their coefficients."""
    rng, dictionary = np.random.default_rng(0), RidgeUnits(activation, 20.0)
    domain = Box((0.0, -2.0), (0.5, 3.0))
    x = domain.uniform(rng, 300)
    z = to_cube(domain, x)
    units = dictionary.drawn(rng, z, 7, z[:2])
    np.testing.assert_allclose(np.abs(units.directions).sum(1), 1)
    values = evaluated(dictionary, units, z)
    assert values.min() >= 0
    assert values.max() <= 1 + 1e-12
    polynomials, basis = dictionary.polynomial_basis(z)
    coefficients = rng.standard_normal(basis.shape[1] + 7)
    network, params = shallow_network(dictionary, domain, polynomials, units, coefficients)
    got = np.asarray(network.apply(params, x))[:, 0]
    steps = (
        dictionary.degree == 0 and not dictionary.is_smooth
    )  # rounding may put a point on a threshold on either side
    bad = np.abs(got - np.concatenate([basis, values], 1) @ coefficients) > 1e-10
    assert bad.sum() <= 7 * steps
    assert params[0]["weight"].shape == (2, 7 + dictionary.polynomial_units(2))


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_polynomials_are_spanned(degree):
    z = np.random.default_rng(1).uniform(-1, 1, (400, 3))
    _, basis = RidgeUnits(nn.RectifiedMonomial(degree)).polynomial_basis(z)
    wanted = z[:, 0] ** degree - 2 * z[:, 1] * z[:, 2] ** (degree - 1) + 3
    left = wanted - basis @ np.linalg.lstsq(basis, wanted, rcond=None)[0]
    assert np.abs(left).max() < 1e-10


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_a_cosine_has_the_variation_of_its_moment(degree):
    """The formula of `variation_of` by quadrature over 40,000 units: it is cos(5 z + 1) up to a polynomial of the degree, and the
    weights sum to less than the bound. The rule of midpoints errs by 1e-4 for steps."""
    omega, phase, n = 5.0, 1.0, 40_000
    u = (2 * np.arange(n) + 1) / n - 1
    derivative = omega ** (degree + 1) * np.cos(omega * u + phase + (degree + 1) * np.pi / 2)
    weights = derivative * (1 - np.abs(u)) ** degree / [1, 1, 2][degree] * (2 / n)
    weights[u < 0] *= (-1) ** (degree + 1)
    units = Units(np.sign(u)[:, None], np.abs(u), np.ones(n))
    z = np.linspace(-1, 1, 41)[:, None] + 1e-7
    left = np.cos(omega * z[:, 0] + phase) - evaluated(RidgeUnits(nn.RectifiedMonomial(degree)), units, z) @ weights
    assert np.abs(left - np.polyval(np.polyfit(z[:, 0], left, degree), z[:, 0])).max() < 2e-4
    total = np.abs(weights).sum()
    assert 0.5 * variation_of(omega ** (degree + 1), degree) < total <= variation_of(omega ** (degree + 1), degree)


@pytest.mark.parametrize("kind", SIGMOIDAL)
def test_excess_is_the_distance_from_the_step(kind):
    low, high, excess = SIGMOIDAL[kind]
    v = (np.arange(-400_000, 400_000) + 0.5) / 10_000
    values = (np.asarray(kind()(jnp.asarray(v))) - low) / (high - low)
    assert np.abs(values - (v > 0)).sum() / 10_000 == pytest.approx(excess, abs=1e-5)


def test_bad_input():
    with pytest.raises(ValueError, match=r"activation must be nn.Step\(\), .*; received nn.Sin"):
        RidgeUnits(nn.Sin())
    with pytest.raises(ValueError, match="degree 3 at most"):
        RidgeUnits(nn.RectifiedMonomial(4))
