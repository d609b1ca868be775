"""Entropies of particles against those of Gaussian laws, and free energies against the density's."""

import jax
import numpy as np
import pytest
from scipy import special, stats

from nnlimits import mean_field, nn


def gaussian_entropy(stds):
    return float(np.log(np.asarray(stds) * np.sqrt(2 * np.pi * np.e)).sum())


def drawn(stds, m, seed):
    return mean_field.Neurons(np.random.default_rng(seed).standard_normal((m, len(stds))) * stds)


def expected_bias(m, p, neighbours=3):
    """Of standard normal draws in p dimensions, by quadrature: the ball around a point that reaches its k-th neighbour has a
    probability of the law Beta(k, m - k), and squared distances from the point are noncentral chi-squared.
    """
    nodes, weights = np.polynomial.legendre.leggauss(60)
    radii, quantiles = 9 * (nodes + 1) / 2, (nodes + 1) / 2
    reached = stats.beta(neighbours, m - neighbours).ppf(quantiles)
    logs = np.log(stats.ncx2.ppf(reached, p, (radii**2)[:, None])) / 2
    mean = (weights * 4.5 * stats.chi(p).pdf(radii)) @ logs @ (weights / 2)
    ball = p / 2 * np.log(np.pi) - special.gammaln(p / 2 + 1)
    found = special.digamma(m) - special.digamma(neighbours) + ball + p * mean
    return found - gaussian_entropy([1.0] * p)


@pytest.mark.parametrize("stds", [[0.3], [1.0, 0.2], [1.0, 0.5, 2.0]])
def test_entropy_of_gaussian_laws(stds):
    """The mean of 10 sets of 4,000 draws: to five standard errors by their spread, and the bias, which in three dimensions is
    below 0.03 at this number, as unequal stds leave it. The error told for one set is near the spread of the sets.
    """
    found = np.array([mean_field.entropy(drawn(stds, 4000, seed)) for seed in range(10)])
    spread = found[:, 0].std(ddof=1)
    assert abs(found[:, 0].mean() - gaussian_entropy(stds)) < 5 * spread / np.sqrt(10) + 0.03 * (len(stds) == 3)
    assert 0.4 < spread / found[:, 1].mean() < 2


@pytest.mark.parametrize(("p", "m"), [(1, 100), (2, 100), (3, 100), (3, 1000)])
def test_bias(p, m):
    """To five standard errors by the spread of the sets of draws, and larger than three of them."""
    sets = 100_000 // m
    found = np.array([mean_field.entropy(drawn([1.0] * p, m, seed))[0] for seed in range(sets)]) - gaussian_entropy(
        [1.0] * p
    )
    error = found.std(ddof=1) / np.sqrt(sets)
    assert abs(found.mean() - expected_bias(m, p)) < 5 * error
    assert found.mean() < -3 * error


def test_rate_of_the_bias():
    """As 1/m in one dimension, and towards `m^(-2/3)` in three."""
    for p, m, rate in ((1, 1000, 1.0), (3, 1_000_000, 2 / 3)):
        assert abs(np.log10(expected_bias(m, p) / expected_bias(10 * m, p)) - rate) < 0.15


def test_scaling():
    """`s theta` has the entropy of theta and `p log(s)`, whatever the sample."""
    neurons = drawn([1.0, 1.0], 300, 0)
    stretched = mean_field.Neurons(2.5 * neurons.positions)
    np.testing.assert_allclose(
        mean_field.entropy(stretched, 2)[0] - mean_field.entropy(neurons, 2)[0], 2 * np.log(2.5), rtol=1e-12
    )


@pytest.mark.slow
def test_free_energy_falls_along_langevin_as_that_of_the_density():
    """40,000 particles: within five standard errors, of the entropy `temperature 0.006` and of the risk by 20 parts of the set.

    Steps of 0.02 bias both by less than a percent of what they lose, far below.
    """
    x = np.random.default_rng(0).standard_normal((30, 1))
    units = mean_field.TwoLayer(nn.Tanh(), 1, readout=False)
    risk, temperature = mean_field.EmpiricalRisk(units, x, np.sin(2 * x[:, 0]) / 2, decay=0.05), 0.1
    grid, times = mean_field.Grid(-10, 10, 200), np.array([0.0, 0.5, 1, 2, 4, 8, 16])
    start = grid.masses(lambda p: np.exp(-((p - 1) ** 2) / 0.18))
    density = mean_field.density_flow(risk, grid, start, times, temperature=temperature)
    neurons = mean_field.GaussianMixture([1.0], 0.3).sample(jax.random.key(0), 40_000, np.float64)
    steps = np.rint(times / 0.02).astype(int)
    course = mean_field.langevin(risk, neurons, temperature, 0.02, steps, jax.random.key(1))
    free, errors = [], []
    for record in range(len(times)):
        at = course.at(record)
        free.append(mean_field.free_energy(risk, at, temperature))
        parts = [mean_field.Neurons(np.asarray(at.positions)[i::20]) for i in range(20)]
        risks = np.std([float(risk(part)) for part in parts], ddof=1) / np.sqrt(20)
        errors.append(np.hypot(temperature * mean_field.entropy(at)[1], risks))
    assert (abs(np.array(free) - density.free_energies) < 5 * np.array(errors)).all()
    assert (np.diff(free) < 0).all()
    assert free[0] - free[-1] > 50 * max(errors)


def test_free_energy_is_risk_and_entropy():
    """Of neurons that compute nothing: the decay alone."""
    units, zero = mean_field.TwoLayer(nn.Tanh(), 1, readout=False), np.zeros((1, 1))
    risk, neurons = mean_field.EmpiricalRisk(units, zero, zero, decay=0.6), drawn([1.0], 500, 0)
    held = 0.3 * (neurons.positions**2).mean()
    assert mean_field.free_energy(risk, neurons, 0.0) == pytest.approx(held, rel=1e-12)
    expected = held - 0.7 * mean_field.entropy(neurons)[0]
    assert mean_field.free_energy(risk, neurons, 0.7) == pytest.approx(expected, rel=1e-12)


def test_bad_input():
    neurons = drawn([1.0], 10, 0)
    with pytest.raises(ValueError, match=r"masses must be equal.*`DensityCourse.free_energies`"):
        mean_field.entropy(mean_field.Neurons(neurons.positions, np.arange(10.0) / 45))
    with pytest.raises(ValueError, match="neighbours must be a whole number from 1 to 9"):
        mean_field.entropy(neurons, 10)
    with pytest.raises(ValueError, match="particles coincide"):
        mean_field.entropy(mean_field.Neurons(np.zeros((5, 1))))
