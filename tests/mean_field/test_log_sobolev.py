"""The sure rate against the exact one, and against what the density does."""

import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import mean_field, nn

UNITS = mean_field.TwoLayer(nn.Tanh(), 1, readout=False)
FREE = mean_field.EmpiricalRisk(UNITS, np.zeros((1, 1)), np.zeros(1), decay=0.7)
X = np.random.default_rng(0).standard_normal((30, 1))
DATA = mean_field.EmpiricalRisk(UNITS, X, np.sin(2 * X[:, 0]) / 2, decay=0.5)


@pytest.mark.slow
def test_rate_without_data_is_attained():
    """From a shifted Gaussian of the variance at rest, whose shift falls as `exp(-lambda t)` and the free energy as its square.

    Cells change the rate by their square: two grids are extrapolated, which leaves the fourth power.
    """
    temperature, times, seen = 0.5, np.linspace(0, 4, 9), []
    sure = mean_field.log_sobolev(FREE, temperature, oscillation=0.0)
    assert sure.rate == pytest.approx(1.4)
    for cells in (60, 120):
        grid = mean_field.Grid(-6, 6, cells)
        start = grid.masses(lambda p: np.exp(-((p - 1) ** 2) * 0.7 / (2 * temperature)))
        course = mean_field.density_flow(FREE, grid, start, times, temperature=temperature, tolerance=1e-7)
        gaps = np.asarray(course.free_energies) - free_energy_at_rest(FREE, grid, temperature)
        seen.append(-np.polyfit(times, np.log(gaps), 1)[0])
    assert seen[0] < seen[1] < sure.rate
    np.testing.assert_allclose((4 * seen[1] - seen[0]) / 3, sure.rate, rtol=1e-4)


def free_energy_at_rest(risk, grid, temperature):
    rest = mean_field.gibbs(risk, grid, temperature)
    course = mean_field.density_flow(risk, grid, rest, [0.0], temperature=temperature)
    return float(course.free_energies[0])


@pytest.mark.slow
def test_data_do_not_break_the_bound():
    """That for all measures, the one from the measures on the way, and what is seen: each larger than the one before."""
    grid, temperature, times = mean_field.Grid(-8, 8, 160), 0.3, np.linspace(0, 6, 13)
    start = grid.masses(lambda p: np.exp(-((p - 2) ** 2) / 0.5))
    course = mean_field.density_flow(DATA, grid, start, times, temperature=temperature, tolerance=1e-7)
    gaps = np.asarray(course.free_energies) - free_energy_at_rest(DATA, grid, temperature)
    assert (gaps > 0).all()
    swings = [mean_field.data_oscillation(DATA, course.at(i), grid.centres()) for i in range(len(times))]
    sure = mean_field.log_sobolev(DATA, temperature)
    on_the_way = mean_field.log_sobolev(DATA, temperature, oscillation=max(swings))
    assert max(swings) < sure.oscillation
    slowest = (-np.diff(np.log(gaps)) / np.diff(times)).min()
    assert 0 < sure.rate < on_the_way.rate < slowest
    assert on_the_way.rate > 0.05 * slowest  # of use


def test_oscillation_holds_for_all_measures():
    """Of measures at random, and of the worst: all neurons at one far place."""
    most = mean_field.log_sobolev(DATA, 1.0).oscillation
    places = np.linspace(-30, 30, 601)[:, None]
    rng = np.random.default_rng(0)
    seen = [
        mean_field.data_oscillation(DATA, mean_field.Neurons(scale * rng.standard_normal((5, 1))), places)
        for scale in (1.0, 30.0, 30.0)
    ]
    assert 0.2 * most < max(seen) < most
    assert most == pytest.approx(2 * (1 + abs(DATA.y)).mean())


@pytest.mark.parametrize(
    "activation",
    [nn.Tanh(), nn.HardTanh(), nn.Sign(), nn.Sigmoid(), nn.Step(), nn.Sin(2.0), nn.Cos(), nn.Erf(c=3.0), nn.Rbf()],
)
def test_values_of_activations(activation):
    """The bound for one example, whose target is 0, is the width times the end that is farther from it."""
    values = np.asarray(activation(jnp.linspace(-9, 9, 20_001)))
    risk = mean_field.EmpiricalRisk(
        mean_field.TwoLayer(activation, 1, readout=False), np.ones((1, 1)), np.zeros(1), decay=1.0
    )
    found = mean_field.log_sobolev(risk, 1.0).oscillation
    np.testing.assert_allclose(found, np.ptp(values) * abs(values).max(), rtol=1e-3)


def test_bad_input():
    with pytest.raises(ValueError, match="risk must have decay"):
        mean_field.log_sobolev(mean_field.EmpiricalRisk(UNITS, X, X), 1.0)
    with pytest.raises(NotImplementedError, match="no rate is known for Confined"):
        mean_field.log_sobolev(mean_field.Confined(DATA, lambda p: p[0] ** 4), 1.0)
    for units in (mean_field.TwoLayer(nn.Tanh(), 1), mean_field.TwoLayer(nn.Relu(), 1, readout=False)):
        risk = mean_field.EmpiricalRisk(units, X, X, decay=1.0)
        with pytest.raises(NotImplementedError, match="no bound of the data's part is known"):
            mean_field.log_sobolev(risk, 1.0)
        assert mean_field.log_sobolev(risk, 0.5, oscillation=1.0).rate == pytest.approx(2 * np.exp(-2))
    with pytest.raises(ValueError, match="temperature must be finite and positive"):
        mean_field.log_sobolev(DATA, 0.0)
