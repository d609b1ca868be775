"""The density's equation against many particles that interact, for neurons of two parameters."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.stats import norm

from nnlimits import nn
from nnlimits.mean_field.course import Course
from nnlimits.mean_field.density import density_flow
from nnlimits.mean_field.flow import flow
from nnlimits.mean_field.grid import Grid
from nnlimits.mean_field.langevin import langevin
from nnlimits.mean_field.laws import gaussian
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import EmpiricalRisk
from nnlimits.mean_field.two_layer import TwoLayer
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_non_negative, check_positive

_FARTHEST, _EXAMPLES, _DECAY, _COARSE = 5.0, 12, 0.1, 10


class AgainstParticles(NamedTuple):
    """Both at the same times."""

    temperature: float
    times: Float[np.ndarray, " records"]
    grid: Grid
    density: Float[np.ndarray, "records k"]
    particles: Float[np.ndarray, "records m 2"]
    density_risks: Float[np.ndarray, " records"]
    particle_risks: Float[np.ndarray, " records"]
    sampling_errors: Float[np.ndarray, " records"]
    """Standard errors of the risk of as many independent draws: the spread of the first variation over `sqrt(m)`."""
    free_energies: Float[np.ndarray, " records"]
    """Of the density."""

    def distances(self, cells: int = _COARSE) -> tuple[Float[np.ndarray, " records"], Float[np.ndarray, " records"]]:
        """Total variation of particles from density over coarse cells, and its expectation for independent draws.

        **Arguments:** `cells` along each axis, of which those of the grid are a multiple.
        """
        coarse, m = Grid(self.grid.low, self.grid.high, cells), self.particles.shape[1]
        drawn = [coarse.of_particles(Neurons(places)) for places in self.particles]
        ours = [coarse.of_particles(Neurons(self.grid.centres(), np.maximum(masses, 0))) for masses in self.density]
        found, expected = abs(np.array(drawn) - ours).sum(1) / 2, np.array(ours)
        return found, np.sqrt(2 / np.pi * expected * (1 - expected) / m).sum(1) / 2


def against_particles(
    temperature: float = 0.02,
    *,
    m: int = 100_000,
    times: Sequence[Any] | np.ndarray = (0, 1, 3, 6, 10),
    cells: int = 200,
    step: float = 0.02,
    seed: int = 0,
    advance: Advance = ignore,
) -> AgainstParticles:
    """Neurons `a tanh(w x)` that fit `sin(2 x)` at 12 points, with decay, with noise or without.

    **Arguments:** `temperature`, at least 0; `m` particles, which start as `N(0, 0.7^2)` in both parameters; `times`, ascending
    from 0; `cells` along both axes of the square from -5 to 5, a multiple of 10; `step`, of the noisy particles' method; without
    noise an adaptive solver moves them; `seed`; `advance`, told of both parts.

    **Raises:** `ValueError` for numbers out of range.
    """
    check_non_negative("temperature", temperature)
    check_positive("step", step)
    if cells % _COARSE:
        raise ValueError(f"cells must be a multiple of {_COARSE}; received {cells}")
    risk = _risk(seed)
    grid = Grid([-_FARTHEST] * 2, [_FARTHEST] * 2, cells)
    course = density_flow(risk, grid, _start(grid), times, temperature=temperature)
    advance("density")
    drawn = gaussian(2, 0.7).sample(jax.random.key(seed), m)
    particles = _moved(risk, drawn, temperature, np.asarray(times), step, jax.random.key(seed + 1))
    advance("particles")
    spreads = [_spread(risk, course.at(i)) for i in range(len(course.times))]
    return AgainstParticles(
        temperature,
        np.asarray(course.times),
        grid,
        np.asarray(course.masses),
        np.asarray(particles.positions),
        np.asarray(course.risks),
        np.asarray(particles.risks),
        np.asarray(spreads) / m**0.5,
        np.asarray(course.free_energies),
    )


def _risk(seed: int) -> EmpiricalRisk:
    x = np.random.default_rng(seed).standard_normal((_EXAMPLES, 1))
    return EmpiricalRisk(TwoLayer(nn.Tanh(), 1), x, np.sin(2 * x[:, 0]), decay=_DECAY)


def _start(grid: Grid) -> Float[np.ndarray, " k"]:
    """By the Gaussian distribution function along each axis."""
    edges = np.linspace(grid.low[0], grid.high[0], grid.cells[0] + 1)
    share = np.diff(norm.cdf(edges, scale=0.7))
    masses = np.outer(share, share).reshape(-1)
    return masses / masses.sum()


def _moved(
    risk: EmpiricalRisk, neurons: Neurons, temperature: float, times: np.ndarray, step: float, key: Array
) -> Course:
    if temperature:
        return langevin(risk, neurons, temperature, step, np.rint(times / step).astype(int), key)
    return flow(risk, neurons, times, tolerance=1e-4)


def _spread(risk: EmpiricalRisk, neurons: Neurons) -> float:
    with risk.precision(neurons):
        variation = np.asarray(risk.first_variation(neurons)(jnp.asarray(neurons.positions)))
    masses = np.asarray(neurons.masses)
    return float(np.sqrt(max(masses @ variation**2 - (masses @ variation) ** 2, 0.0)))
