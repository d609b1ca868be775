"""How well balls of different sizes can be told apart, by how different they are, and whether descent finds it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import optimize

from nnlimits.mean_field.density import density_flow
from nnlimits.mean_field.experiments.balls import RAMP, Advance, check_delta, ignore, initial_masses, radial_risk
from nnlimits.mean_field.grid import Grid
from nnlimits.mean_field.radial import Radial

_FARTHEST = 10.0
_PENALTY = 1e3
"""Of total masses other than one, in least squares."""
_NOTHING = 1e-4
"""Certificates below are zero, but for what the grid and the table of the radial average leave: far above it all grow fast."""


class Separation(NamedTuple):
    """Risks by `deltas`, half the mean square error: 1/2 is that of the constant zero."""

    deltas: Float[np.ndarray, " n"]
    flow: Float[np.ndarray, " n"]
    """Of the radial density at time `time`."""
    flow_gap: Float[np.ndarray, " n"]
    """Its certificate: the least risk is at most this far below."""
    best: Float[np.ndarray, " n"]
    """The least of all measures on the grid, by convex least squares."""
    sphere: Float[np.ndarray, " n"]
    """The least with all neurons on one sphere."""
    sphere_gap: Float[np.ndarray, " n"]
    """That sphere's certificate: zero where no measure is better."""
    threshold: float
    """The delta from which one sphere is no longer best, by bisection on its certificate."""
    time: float


def separation(
    deltas: Sequence[Any] | np.ndarray = tuple(np.arange(0.1, 0.95, 0.05).round(2)),
    *,
    dimension: int = 40,
    time: float = 200.0,
    cells: int = 500,
    advance: Advance = ignore,
) -> Separation:
    """The radial equation for long times, against the least risk of all measures and of single spheres.

    Where delta is small all neurons gather on one sphere, and no measure does better; from a threshold on, measures of several
    spheres do, at first far from it: the change of phase of Mei, Montanari & Nguyen 2018, section 3.1.

    **Arguments:** `deltas`, ascending, between 0 and 1; `dimension`, of x; `time`, long; `cells`, of the grid over lengths from
    0 to 10; `advance`, told of each delta.

    **Raises:** `ValueError` for numbers out of range.
    """
    deltas = np.asarray(deltas, np.float64)
    if deltas.ndim != 1 or not len(deltas) or (np.diff(deltas) <= 0).any():
        raise ValueError(f"deltas must be one or more numbers that ascend; received {deltas.tolist()}")
    for delta in deltas:
        check_delta(float(delta))
    units, grid = Radial(RAMP, dimension), Grid(0.0, _FARTHEST, cells)
    start = initial_masses(grid, dimension).astype(np.float32)
    rows = []
    for delta in map(float, deltas):
        course = density_flow(radial_risk(units, delta, np.float32), grid, start, [0.0, time], tolerance=1e-4)
        measures = _Measures(units, delta, grid.axes()[0])
        masses = np.asarray(course.masses[-1], np.float64)
        rows.append((measures.risk(masses), measures.gap(masses), measures.best(), *_sphere(units, delta)))
        advance(f"delta {delta:g}")
    flow, gap, best, sphere, sphere_gap = np.array(rows).T
    return Separation(deltas, flow, gap, best, sphere, sphere_gap, _threshold(units), time)


class _Measures:
    """The risk of measures on given lengths, as weighted least squares."""

    def __init__(self, units: Radial, delta: float, lengths: np.ndarray) -> None:
        risk = radial_risk(units, delta)
        with jax.enable_x64(True):
            outputs = jax.vmap(units.unit, (0, None))(jnp.asarray(lengths)[:, None], jnp.asarray(risk.x))
        self.outputs, self.targets = np.asarray(outputs)[:, :, 0], np.asarray(risk.y)[:, 0]
        self.weights = np.asarray(risk.loss.weights)

    def risk(self, masses: np.ndarray) -> float:
        return float(self.weights @ (masses @ self.outputs - self.targets) ** 2 / 2)

    def gap(self, masses: np.ndarray) -> float:
        """The certificate: the mean of the first variation less its minimum over all lengths."""
        variation = self.outputs @ (self.weights * (masses @ self.outputs - self.targets))
        return float(masses @ variation - variation.min())

    def best(self) -> float:
        """The least risk, by non-negative least squares with a row that holds the total mass at one."""
        root = np.sqrt(self.weights)
        matrix = np.concatenate([(root * self.outputs).T, np.full((1, len(self.outputs)), _PENALTY)])
        masses, _ = optimize.nnls(matrix, np.append(root * self.targets, _PENALTY))
        return self.risk(masses / masses.sum())


def _sphere(units: Radial, delta: float) -> tuple[float, float]:
    """The least risk of neurons of one length, and its certificate over all lengths."""
    coarse = np.linspace(0, _FARTHEST, 501)
    measures = _Measures(units, delta, coarse)
    risks = measures.weights @ ((measures.outputs - measures.targets) ** 2).T / 2
    near = coarse[np.clip(np.argmin(risks) + np.array([-1, 1]), 0, 500)]
    alone = np.ones(1)
    radius = optimize.minimize_scalar(
        lambda r: _Measures(units, delta, np.array([r])).risk(alone), bounds=tuple(near), method="bounded"
    ).x
    measures = _Measures(units, delta, np.append(coarse, radius))
    masses = np.append(np.zeros(len(coarse)), 1.0)
    return measures.risk(masses), measures.gap(masses)


def _threshold(units: Radial) -> float:
    def beyond(delta: float) -> float:
        return _sphere(units, delta)[1] - _NOTHING

    return float(optimize.bisect(beyond, 0.1, 0.8, xtol=1e-4))
