"""Particles in the full space, particles by their length, and the equation of the length's density: one evolution."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import stats

from nnlimits.mean_field.course import Course
from nnlimits.mean_field.density import DensityCourse, density_flow
from nnlimits.mean_field.descent import sgd
from nnlimits.mean_field.experiments.balls import (
    RAMP,
    SPREAD,
    check_delta,
    farthest,
    initial_masses,
    radial_risk,
    sampler,
)
from nnlimits.mean_field.flow import flow
from nnlimits.mean_field.grid import Grid
from nnlimits.mean_field.laws import gaussian
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.radial import Radial
from nnlimits.mean_field.risk import EmpiricalRisk
from nnlimits.mean_field.two_layer import TwoLayer
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_positive

_TIMES = (0, 0.1, 0.3, 0.6, 1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 20)
_BATCH = 20
_FRESH = 8192
"""Examples on which the risk of neurons in the full space is measured."""


class IsotropicGaussians(NamedTuple):
    """One evolution, three ways: at `times`, in units of the flow of half the squared error."""

    delta: float
    times: Float[np.ndarray, " records"]
    grid: Grid
    masses: Float[np.ndarray, "records k"]
    """Of the cells of the density."""
    density_risks: Float[np.ndarray, " records"]
    radial_lengths: Float[np.ndarray, "draws records m"]
    """Of neurons that are followed by their length, from independent draws."""
    radial_risks: Float[np.ndarray, "draws records"]
    sgd_lengths: Float[np.ndarray, "records m"]
    sgd_risks: Float[np.ndarray, " records"]
    """Of the network in the full space, on fresh examples."""
    sgd_radial_risks: Float[np.ndarray, " records"]
    """The same neurons, if their directions were uniform: less by what m directions leave of the mean over all."""

    @property
    def distances(self) -> Float[np.ndarray, "draws records"]:
        """Wasserstein-1 distances of the lengths of radial neurons from the density: sampling error alone."""
        return np.array([[self._distance(lengths, i) for i, lengths in enumerate(d)] for d in self.radial_lengths])

    @property
    def sgd_distances(self) -> Float[np.ndarray, " records"]:
        """Those of the lengths in the full space."""
        return np.array([self._distance(lengths, i) for i, lengths in enumerate(self.sgd_lengths)])

    def _distance(self, lengths: np.ndarray, record: int) -> float:
        held = np.maximum(self.masses[record], 0)  # rounding may leave less
        return float(stats.wasserstein_distance(lengths, self.grid.axes()[0], None, held))


def isotropic_gaussians(
    delta: float = 0.8,
    *,
    dimension: int = 40,
    m: int = 800,
    times: Sequence[Any] | np.ndarray = _TIMES,
    draws: int = 8,
    cells: int = 1500,
    step: float = 1e-3,
    seed: int = 0,
    advance: Advance = ignore,
) -> IsotropicGaussians:
    """x | y = +-1 ~ N(0, (1 +- delta)^2 I): stochastic descent in the full space, radial neurons, and the radial density.

    Mei, Montanari & Nguyen 2018, section 3.1, whose risk is twice ours and whose time is half of ours.

    **Arguments:** `delta`, between 0 and 1; `dimension`, of x; `m` neurons; `times`, ascending from 0; `draws` of m radial
    neurons, whose differences are the sampling error; `cells` of the density's grid, coarse ones of which
    hasten the escape from a neighbourhood of rest (500 cells lower the risk at time 10 by 2 %, 1,000 by 0.4 %);
    `step`, of descent with batches of 20
    fresh examples; `seed`; `advance`, told of each part.

    **Raises:** `ValueError` for numbers out of range.
    """
    check_delta(delta)
    check_positive("step", step)
    if draws < 1:
        raise ValueError(f"draws must be at least 1; received {draws}")
    risk = radial_risk(Radial(RAMP, dimension), delta, np.float32)
    grid = Grid(0.0, farthest(float(times[-1])), cells)
    start = initial_masses(grid, dimension).astype(np.float32)
    density = density_flow(risk, grid, start, times, tolerance=1e-4)
    advance("density")
    starts = [gaussian(dimension, SPREAD / dimension**0.5).sample(key, m) for key in _keys(seed, draws)]
    radial = []
    for first in starts:
        lengths = np.linalg.norm(np.asarray(first.positions), axis=1, keepdims=True)
        radial.append(flow(risk, Neurons(lengths), times, tolerance=1e-4))
        advance("radial neurons")
    found = _stochastic(delta, dimension, starts[0], times, step, seed)
    advance("stochastic descent")
    return _gathered(delta, risk, density, radial, found)


def _keys(seed: int, draws: int) -> Any:
    return jax.random.split(jax.random.key(seed), draws)


def _stochastic(
    delta: float, dimension: int, start: Neurons, times: Sequence[Any] | np.ndarray, step: float, seed: int
) -> Course:
    units, draw = TwoLayer(RAMP, dimension, readout=False), sampler(dimension, delta)
    fresh, key = jax.random.split(jax.random.key(seed + 1))
    risk = EmpiricalRisk(units, *draw(fresh, _FRESH))
    steps = np.rint(np.asarray(times) / step).astype(int)
    return sgd(units, draw, start, step, steps, key, batch_size=_BATCH, risk=risk)


def _gathered(
    delta: float, risk: EmpiricalRisk, density: DensityCourse, radial: list[Course], found: Course
) -> IsotropicGaussians:
    lengths = np.linalg.norm(np.asarray(found.positions), axis=-1)
    reduced = jax.lax.map(lambda r: risk(Neurons(r[:, None])), jnp.asarray(lengths))
    return IsotropicGaussians(
        delta,
        np.asarray(density.times),
        density.grid,
        np.asarray(density.masses),
        np.asarray(density.risks),
        np.stack([np.asarray(course.positions)[..., 0] for course in radial]),
        np.stack([np.asarray(course.risks) for course in radial]),
        lengths,
        np.asarray(found.risks),
        np.asarray(reduced),
    )
