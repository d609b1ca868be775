"""Finite volumes against exact solutions, the Gibbs measure and Langevin particles."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from scipy.integrate import solve_ivp
from scipy.stats import norm

from nnlimits import mean_field, nn
from nnlimits.mean_field.density import suited_solver
from nnlimits.mean_field.experiments.refinement import exact_masses, quiet_risk
from nnlimits.mean_field.finite_volumes import change, scharfetter_gummel, upwind

UNITS = mean_field.TwoLayer(nn.Tanh(), 1, readout=False)
FREE = mean_field.EmpiricalRisk(UNITS, np.zeros((1, 1)), np.zeros(1), decay=1.0)
"""Neurons that compute nothing: each moves in the potential `theta^2 / 2` alone."""


def gaussian_masses(cells, mean, variance):
    return np.diff(norm.cdf(np.linspace(-4, 4, cells + 1), mean, np.sqrt(variance)))


def error_after(cells, temperature):
    """Total difference from the exact law at time 1: Gaussian, as in the process of Ornstein & Uhlenbeck."""
    start = gaussian_masses(cells, 1.0, 0.3)
    course = mean_field.density_flow(
        FREE, mean_field.Grid(-4, 4, cells), start / start.sum(), [0, 0.5, 1], temperature=temperature, tolerance=1e-7
    )
    assert abs(np.asarray(course.masses).sum(1) - 1).max() < 1e-12
    assert course.masses.min() >= -1e-15
    assert (np.diff(course.free_energies) < 0).all()
    variance = 0.3 * np.exp(-2) + temperature * (1 - np.exp(-2))
    return abs(np.asarray(course.masses[-1]) - gaussian_masses(cells, np.exp(-1), variance)).sum()


@pytest.mark.slow
def test_second_order_with_noise():
    assert abs(np.log2(error_after(50, 0.3) / error_after(100, 0.3)) - 2) < 0.1


def near_turns(density):
    """Cells within a twentieth of the axis of one where differences along it change their sign."""
    turns = np.zeros(density.shape, bool)
    for axis in range(density.ndim):
        slopes = np.moveaxis(np.diff(density, axis=axis), axis, 0)
        turning = np.pad(slopes[:-1] * slopes[1:] <= 0, [(1, 1)] + [(0, 0)] * (density.ndim - 1))
        turns |= np.moveaxis(
            ndimage.binary_dilation(turning, np.ones([1 + len(density) // 10] + [1] * (density.ndim - 1))), 0, axis
        )
    return turns.reshape(-1)


@pytest.mark.parametrize("temperature", [0.0, 0.3])
def test_rates_of_change_on_two_axes(temperature):
    """Against the time derivative of an exact solution whose axes are not those of the grid: of second order, by two grids of 80
    and 160 cells an axis, and no mass appears. Without noise, cells near a maximum along an axis are apart: limiters
    flatten it, on a line of them, so that the sum over all cells is of first order.
    """
    errors, everywhere = [], []
    with jax.enable_x64(True):
        for cells in (80, 160):
            grid, masses = mean_field.Grid([-4, -4], [4, 4], cells), {}
            for time in (0.499, 0.5, 0.501):
                masses[time] = exact_masses(grid, temperature, time)
            flux = scharfetter_gummel if temperature else upwind
            variation = quiet_risk(2).first_variation(mean_field.Neurons(np.zeros((1, 2))))

            @jax.jit
            def rate(density, grid=grid, variation=variation, flux=flux):
                potential = variation(jnp.asarray(grid.centres())).reshape(grid.cells)
                return change(grid, density.reshape(grid.cells), potential, jnp.asarray(temperature), flux)

            found = np.asarray(rate(masses[0.5]))
            assert abs(found.sum()) < 1e-14
            wrong = abs(found.reshape(-1) - (masses[0.501] - masses[0.499]) / 0.002)
            everywhere.append(wrong.sum())
            errors.append(wrong[temperature > 0 or ~near_turns(masses[0.5].reshape(grid.cells))].sum())
    assert np.log2(errors[0] / errors[1]) > 1.9
    assert np.log2(everywhere[0] / everywhere[1]) > (1.9 if temperature else 0.9)


@pytest.mark.slow
def test_implicit_and_explicit_steps_agree():
    """On a fine grid with much noise, where the implicit one is the default: to the tolerance of 1e-5 for each of some dozens of
    steps; masses kept to rounding, the free energy falls.
    """
    risk, grid = interacting(), mean_field.Grid(-8, 8, 400)
    start, times = grid.masses(lambda p: np.exp(-(p**2) / 2)), [0, 1, 5, 20]
    assert isinstance(suited_solver(grid, 1.0 * 20, np.float64), diffrax.Kvaerno5)
    implicit = mean_field.density_flow(risk, grid, start, times, temperature=1.0)
    explicit = mean_field.density_flow(risk, grid, start, times, temperature=1.0, solver=diffrax.Heun())
    third = mean_field.density_flow(risk, grid, start, times, temperature=1.0, solver=diffrax.Kvaerno3())
    for course in (implicit, explicit, third):
        masses = np.asarray(course.masses)
        assert abs(masses.sum(1) - 1).max() < 1e-12
        assert masses.min() >= -1e-15
        assert (np.diff(course.free_energies) < 0).all()
        assert abs(masses - np.asarray(explicit.masses)).sum(1).max() < 1e-4


def test_default_solver():
    """Implicit on fine grids with noise; explicit for little noise, short times, too many cells for a matrix, and float32."""
    fine, coarse = mean_field.Grid(-8, 8, 800), mean_field.Grid(-8, 8, 100)
    square = mean_field.Grid([-1, -1], [1, 1], 60)
    assert isinstance(suited_solver(fine, 10.0, np.float64), diffrax.Kvaerno5)
    for grid, spread in ((fine, 1.0), (coarse, 10.0), (fine, 0.0), (square, 1000.0)):
        assert isinstance(suited_solver(grid, spread, np.float64), diffrax.Heun)
    assert isinstance(suited_solver(fine, 10.0, np.float32), diffrax.Heun)


def _cooling(time):
    return 0.3 / (1 + time)


@pytest.mark.slow
def test_temperature_in_time():
    """Without data the variance follows `d v / dt = 2 temperature(t) - 2 v`, from 0.3; cells of 0.04, whose error falls by
    four from those of 0.08, and particles, to five standard errors and a step's bias of one percent.
    """
    solved = solve_ivp(lambda t, v: 2 * _cooling(t) - 2 * v, (0, 1), [0.3], rtol=1e-10, atol=1e-12).y[0, -1]
    errors = []
    for cells in (100, 200):
        grid, start = mean_field.Grid(-4, 4, cells), gaussian_masses(cells, 1.0, 0.3)
        course = mean_field.density_flow(FREE, grid, start / start.sum(), [1], temperature=_cooling, tolerance=1e-7)
        errors.append(abs(np.asarray(course.masses[-1]) - gaussian_masses(cells, np.exp(-1), solved)).sum())
    assert abs(np.log2(errors[0] / errors[1]) - 2) < 0.1
    neurons = mean_field.GaussianMixture([1.0], 0.3**0.5).sample(jax.random.key(0), 20_000)
    course = mean_field.langevin(FREE, neurons, _cooling, 0.01, [0, 100], jax.random.key(1))
    assert np.var(course.positions[-1]) == pytest.approx(solved, rel=5 * np.sqrt(2 / 20_000) + 0.01)


def interacting():
    x = np.random.default_rng(0).standard_normal((30, 1))
    return mean_field.EmpiricalRisk(UNITS, x, np.sin(2 * x[:, 0]) / 2, decay=0.05)


@pytest.mark.slow
def test_gibbs_measure_is_where_density_and_particles_come_to_rest():
    """Three ways to one measure. 20,000 particles in 200 cells have a total sampling error of about 0.05, and steps of 0.05 bias
    the law by a percent.
    """
    risk, grid, temperature = interacting(), mean_field.Grid(-8, 8, 200), 0.02
    rest = np.asarray(mean_field.gibbs(risk, grid, temperature))
    start = grid.masses(lambda p: np.exp(-(p**2) / 2))
    course = mean_field.density_flow(risk, grid, start, [0, 1, 5, 20, 100], temperature=temperature)
    assert abs(np.asarray(course.masses[-1]) - rest).sum() < 1e-4
    assert (np.diff(course.free_energies) < 0).all()
    neurons = mean_field.gaussian(1).sample(jax.random.key(0), 20_000)
    particles = mean_field.langevin(risk, neurons, temperature, 0.05, [0, 2000], jax.random.key(1))
    assert abs(grid.of_particles(particles.final) - rest).sum() < 0.08


@pytest.mark.slow
def test_density_and_particles_agree_without_noise():
    """Risks of 100,000 particles, whose sampling error is about 0.3 %."""
    risk, grid = interacting(), mean_field.Grid(-8, 8, 400)
    neurons = mean_field.gaussian(1).sample(jax.random.key(0), 100_000)
    start = np.diff(norm.cdf(np.linspace(-8, 8, 401)))
    course = mean_field.density_flow(risk, grid, start / start.sum(), [0, 2, 10])
    particles = mean_field.flow(risk, neurons, [0, 2, 10], tolerance=1e-5)
    np.testing.assert_allclose(particles.risks, course.risks, rtol=0.01)


def test_bad_input():
    grid = mean_field.Grid(-1, 1, 4)
    with pytest.raises(ValueError, match="the grid has 2 axes, and a neuron 1 parameters"):
        mean_field.density_flow(FREE, mean_field.Grid([-1, -1], [1, 1], 4), np.ones(16), [1])
    with pytest.raises(ValueError, match="temperature must be finite and non-negative; received -1"):
        mean_field.density_flow(FREE, grid, np.ones(4), [1], temperature=-1.0)
    with pytest.raises(ValueError, match=r"temperature must be finite and at least 0 at all times; at time 0\.40625"):
        mean_field.density_flow(FREE, grid, np.ones(4), [0.5], temperature=lambda time: 0.4 - time)
    with pytest.raises(ValueError, match=r"masses must be float64 for an implicit solver.*received float32"):
        mean_field.density_flow(FREE, grid, np.ones(4, np.float32), [1], temperature=1.0, solver=diffrax.Kvaerno5())
    with pytest.raises(ValueError, match="low must be below high"):
        mean_field.Grid(1, -1, 4)
    with pytest.raises(ValueError, match="density is zero in all cells"):
        grid.masses(lambda p: 0 * p)
