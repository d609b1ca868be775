"""Noisy neurons on their way to rest: particles, the density's equation and the Gibbs measure."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from nnlimits import nn
from nnlimits.mean_field.density import DensityCourse, density_flow
from nnlimits.mean_field.entropy import free_energy
from nnlimits.mean_field.gibbs import gibbs
from nnlimits.mean_field.grid import Grid
from nnlimits.mean_field.langevin import langevin
from nnlimits.mean_field.laws import gaussian
from nnlimits.mean_field.log_sobolev import data_oscillation, log_sobolev
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import EmpiricalRisk
from nnlimits.mean_field.two_layer import TwoLayer
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_positive

_TIMES = (0, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 60, 80, 100)
_EXAMPLES, _DECAY, _FARTHEST = 30, 0.05, 8.0


class NoisyDescent(NamedTuple):
    """Masses of the grid's cells, and what they and the particles have of risk and free energy."""

    temperature: float
    times: Float[np.ndarray, " records"]
    grid: Grid
    density: Float[np.ndarray, "records k"]
    particles: Float[np.ndarray, "records m"]
    """The parameters of the particles."""
    rest: Float[np.ndarray, " k"]
    """The Gibbs measure of its own first variation."""
    free_energies: Float[np.ndarray, " records"]
    """Of the density."""
    particle_free_energies: Float[np.ndarray, " records"]
    """By the distances of nearest neighbours."""
    sure_gaps: Float[np.ndarray, " records"]
    """What the density's free energy is above its least at most, by logarithmic Sobolev inequalities along the way."""
    rest_free_energy: float
    """The least of all measures."""
    density_risks: Float[np.ndarray, " records"]
    particle_risks: Float[np.ndarray, " records"]
    rest_risk: float

    @property
    def density_distance(self) -> float:
        """Total variation of the last density from the Gibbs measure: half the sum of differences."""
        return float(abs(self.density[-1] - self.rest).sum() / 2)

    def particle_distance(self, cells: int = 50) -> tuple[float, float]:
        """That of the last particles over coarse cells, and the expectation for independent draws from the Gibbs measure."""
        m, edges = self.particles.shape[1], np.linspace(self.grid.low[0], self.grid.high[0], cells + 1)
        drawn = np.histogram(self.particles[-1], edges)[0] / m
        expected = np.histogram(self.grid.axes()[0], edges, weights=self.rest)[0]
        sampling = np.sqrt(2 / np.pi * expected * (1 - expected) / m)
        return float(abs(drawn - expected).sum() / 2), float(sampling.sum() / 2)


def noisy_descent(
    temperature: float = 0.02,
    *,
    m: int = 20_000,
    times: Sequence[Any] | np.ndarray = _TIMES,
    cells: int = 200,
    step: float = 0.02,
    seed: int = 0,
    advance: Advance = ignore,
) -> NoisyDescent:
    """Neurons `tanh(theta x)` that fit `sin(2 x) / 2`, with decay, under noise: three ways to one stationary law.

    **Arguments:** `temperature`, positive; `m` particles; `times`, ascending from 0; `cells`, of the grid from -8 to 8; a
    multiple of 50 lets particles be compared in coarse cells; `step`, of the particles' method, which biases their law in
    proportion; `seed`; `advance`, told of each part.

    **Raises:** `ValueError` for numbers out of range; `RuntimeError` for temperatures so low that no fixed point is found.

    Mei, Montanari & Nguyen 2018, section 6; Nitanda, Wu & Suzuki 2022, theorem 1; Hu, Ren, Siska & Szpruch 2021.
    """
    check_positive("temperature", temperature)
    check_positive("step", step)
    risk = _risk(seed)
    grid = Grid(-_FARTHEST, _FARTHEST, cells)
    rest = np.asarray(gibbs(risk, grid, temperature))
    advance("Gibbs measure")
    start = grid.masses(lambda p: np.exp(-(p**2) / 2))
    course = density_flow(risk, grid, start, times, temperature=temperature)
    advance("density")
    drawn = gaussian(1).sample(jax.random.key(seed), m)
    steps = np.rint(np.asarray(times) / step).astype(int)
    particles = langevin(risk, drawn, temperature, step, steps, jax.random.key(seed + 1))
    advance("particles")
    rest_risk, least = _at_rest(risk, grid, rest, temperature)
    free_energies = np.asarray(course.free_energies)
    return NoisyDescent(
        temperature,
        np.asarray(course.times),
        grid,
        np.asarray(course.masses),
        np.asarray(particles.positions)[..., 0],
        rest,
        free_energies,
        np.array([free_energy(risk, particles.at(i), temperature) for i in range(len(steps))]),
        (free_energies[0] - least) * _sure_share(risk, course, temperature),
        least,
        np.asarray(course.risks),
        np.asarray(particles.risks),
        rest_risk,
    )


def _risk(seed: int) -> EmpiricalRisk:
    x = np.random.default_rng(seed).standard_normal((_EXAMPLES, 1))
    return EmpiricalRisk(TwoLayer(nn.Tanh(), 1, readout=False), x, np.sin(2 * x[:, 0]) / 2, decay=_DECAY)


def _at_rest(risk: EmpiricalRisk, grid: Grid, rest: Float[np.ndarray, " k"], temperature: float) -> tuple[float, float]:
    """The risk and the free energy of a density."""
    with jax.enable_x64(True):
        value = float(risk(Neurons(grid.centres(), rest)))
    log = np.log(np.where(rest > 0, rest / grid.volume, 1.0))
    return value, value + temperature * float(rest @ log)


def _sure_share(risk: EmpiricalRisk, course: DensityCourse, temperature: float) -> Float[np.ndarray, " records"]:
    """What is left at most of the free energy above its least, at each interval's slower rate of its ends."""
    records, centres = range(len(course.times)), course.grid.centres()
    swings = [data_oscillation(risk, course.at(i), centres) for i in records]
    rates = np.array([log_sobolev(risk, temperature, oscillation=swing).rate for swing in swings])
    slower = np.minimum(rates[1:], rates[:-1])
    return np.exp(-np.concatenate([[0.0], np.cumsum(slower * np.diff(np.asarray(course.times)))]))
