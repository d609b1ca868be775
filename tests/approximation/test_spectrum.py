"""Fourier moments in closed form, against quadrature and sampled frequencies."""

import numpy as np
import pytest
from scipy import integrate

from nnlimits.approximation.spectrum import NormalMixture, Waves


@pytest.mark.parametrize("order", [1, 2, 3])
def test_one_dimension_against_quadrature(order):
    """The densities of omega: normal of variance 2 rate, and Laplace of scale sqrt(rate)."""
    rate = 1.7

    def normal(w):
        return np.exp(-(w**2) / (4 * rate)) / np.sqrt(4 * np.pi * rate)

    def laplace(w):
        return np.exp(-np.abs(w) / np.sqrt(rate)) / (2 * np.sqrt(rate))

    for density, spectrum in ((normal, NormalMixture(1, rate)), (laplace, NormalMixture(1, rate, exponential=True))):
        wanted = 2 * integrate.quad(lambda w, density=density: w**order * density(w), 0, np.inf)[0]
        assert spectrum.moment(np.ones(1), order) == pytest.approx(wanted, rel=1e-9)
        assert spectrum.euclidean_moment(order) == pytest.approx(wanted, rel=1e-9)
        assert spectrum.monomial_moment((order,)) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("exponential", [False, True])
def test_three_dimensions_against_draws(exponential):
    """400,000 frequencies give moments up to the third within six of their standard errors."""
    rng = np.random.default_rng(0)
    scale = rng.exponential(size=(400_000, 1)) if exponential else 1.0
    omega = np.sqrt(2 * 0.8 * scale) * rng.standard_normal((400_000, 3))
    spectrum, halves = NormalMixture(3, 0.8, exponential), np.array([0.5, 1.0, 2.0])
    for order in (1, 2, 3):
        draws = {
            spectrum.moment(halves, order): (np.abs(omega) @ halves) ** order,
            spectrum.euclidean_moment(order): np.linalg.norm(omega, axis=1) ** order,
            spectrum.monomial_moment((order, 1, 0)): np.abs(omega[:, 0]) ** order * np.abs(omega[:, 1]),
        }
        for value, drawn in draws.items():
            assert abs(value - drawn.mean()) < 6 * drawn.std() / np.sqrt(len(drawn))


def test_waves():
    waves = Waves(np.array([[3.0, -4.0], [1.0, 0.0]]), np.array([0.5, 2.0]))
    assert waves.moment(np.array([1.0, 2.0]), 1) == 0.5 * 11 + 2.0
    assert waves.euclidean_moment(2) == 0.5 * 25 + 2.0
    assert waves.monomial_moment((1, 1)) == 0.5 * 12
    assert waves.derivative_bound(1) == max(0.5 * 3 + 2, 0.5 * 4)
