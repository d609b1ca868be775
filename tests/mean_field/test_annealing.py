"""Heat that is taken away slowly brings neurons over what they would be long held up by."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import mean_field, nn

LAST = 1e-3


def cold(time):
    return LAST + 0 * time


def cooling(time):
    """Down to the last temperature at time 102."""
    return jnp.maximum(0.05 * 10 ** (-time / 60), LAST)


def logarithmic(time):
    """After Chizat 2022; 0.0057 at time 200."""
    return 0.03 / jnp.log(2 + time)


@pytest.mark.slow
def test_annealing_finds_what_cold_neurons_do_not():
    """Neurons `sin(theta x)` near 0.6, for targets of the frequencies 1 and 4: they fit the first and must cross to the other.

    At the same time, and from noise that ends as cold, annealed ones have little more than half the risk; so says the density
    too, from which 4,000 particles differ by their sampling: five standard errors of independent draws, and a percent for steps
    of 0.05.
    """
    x = np.random.default_rng(0).standard_normal((60, 1))
    units = mean_field.TwoLayer(nn.Sin(), 1, readout=False)
    risk = mean_field.EmpiricalRisk(units, x, 0.5 * np.sin(4 * x[:, 0]) + 0.3 * np.sin(x[:, 0]), decay=1e-3)
    grid, last = mean_field.Grid(-10, 10, 400), {}
    start = grid.masses(lambda p: np.exp(-((p - 0.6) ** 2) / 0.08))
    neurons = mean_field.GaussianMixture([0.6], 0.2).sample(jax.random.key(0), 4000)
    for schedule in (cold, cooling, logarithmic):
        density = mean_field.density_flow(risk, grid, start, [0, 100, 200], temperature=schedule)
        assert abs(np.asarray(density.masses).sum(1) - 1).max() < 1e-12
        particles = mean_field.langevin(risk, neurons, schedule, 0.05, [0, 2000, 4000], jax.random.key(1))
        for record in range(3):
            at = particles.at(record)
            error = np.std(risk.first_variation(at)(jnp.asarray(at.positions))) / np.sqrt(4000)
            assert abs(particles.risks[record] - density.risks[record]) < 5 * error + 0.01 * density.risks[record]
        last[schedule] = float(density.risks[-1]), float(particles.risks[-1])
    for cold_risk, annealed, slowly in zip(last[cold], last[cooling], last[logarithmic], strict=True):
        assert annealed < 0.6 * cold_risk
        assert slowly < 0.7 * cold_risk
