"""How well balls of different sizes can be told apart, by how different they are, and whether descent finds it."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import optimize

from nnlimits.mean_field.density import density_flow
from nnlimits.mean_field.experiments.balls import RAMP, check_delta, farthest, initial_masses, radial_risk
from nnlimits.mean_field.grid import Grid
from nnlimits.mean_field.radial import Radial
from nnlimits.progress import Advance, ignore

_COARSE = 2001
"""Lengths at which measures are compared."""
_PENALTY = 1e3
"""Of total masses other than one, in least squares."""
_NOTHING = 1e-4
"""Certificates below are zero, but for what the grid and the table of the radial average leave: far above it all grow fast."""


class Separation(NamedTuple):
    """Risks by `deltas`, half the mean square error: 1/2 is that of the constant zero."""

    deltas: Float[np.ndarray, " n"]
    times: Float[np.ndarray, " times"]
    flow: Float[np.ndarray, "n times"]
    """Of the radial density."""
    flow_gap: Float[np.ndarray, "n times"]
    """Its certificates: the least risk is at most this far below."""
    best: Float[np.ndarray, " n"]
    """The least of all measures, by convex least squares."""
    sphere: Float[np.ndarray, " n"]
    """The least with all neurons on one sphere."""
    sphere_gap: Float[np.ndarray, " n"]
    """That sphere's certificate: zero where no measure is better."""
    threshold: float
    """The delta from which one sphere is no longer best, by bisection on its certificate."""


def separation(
    deltas: Sequence[Any] | np.ndarray = tuple(np.arange(0.1, 0.95, 0.05).round(2)),
    *,
    dimension: int = 40,
    times: Sequence[Any] | np.ndarray = (12.5, 50.0, 200.0),
    resolution: int = 50,
    advance: Advance = ignore,
) -> Separation:
    """The radial equation for long times, against the least risk of all measures and of single spheres.

    Where delta is small all neurons gather on one sphere, and no measure does better; from a threshold on, measures of several
    spheres do: the change of phase of Mei, Montanari & Nguyen 2018, section 3.1. The flow finds them slowly; the closer delta
    is to 1, the longer it rests before that where the inner class moves no neuron.

    **Arguments:** `deltas`, ascending, between 0 and 1; `dimension`, of x; `times`, ascending; `resolution`, cells of the flow's
    grid for each unit of length, up to lengths that no neuron reaches; `advance`, told of each delta.

    **Raises:** `ValueError` for numbers out of range.
    """
    deltas = np.asarray(deltas, np.float64)
    if deltas.ndim != 1 or not len(deltas) or (np.diff(deltas) <= 0).any():
        raise ValueError(f"deltas must be one or more numbers that ascend; received {deltas.tolist()}")
    for delta in deltas:
        check_delta(float(delta))
    units, rows = Radial(RAMP, dimension), []
    moments = np.asarray(times, np.float64)
    for delta in map(float, deltas):
        grid = _grid(delta, moments[-1], resolution)
        start = initial_masses(grid, dimension).astype(np.float32)
        course = density_flow(radial_risk(units, delta, np.float32), grid, start, moments, tolerance=1e-4)
        reached, everywhere = (_Measures(units, delta, lengths) for lengths in (grid.axes()[0], _lengths(delta)))
        laws = [_probabilities(masses) for masses in course.masses]
        flow, gaps = [reached.risk(law) for law in laws], [reached.gap(law, everywhere) for law in laws]
        rows.append((flow, gaps, everywhere.best(), *_sphere(units, delta)))
        advance(f"delta {delta:g}")
    flow, gaps, best, sphere, sphere_gap = map(np.array, zip(*rows, strict=True))
    return Separation(deltas, moments, flow, gaps, best, sphere, sphere_gap, _threshold(units))


def _farthest(delta: float) -> float:
    """A length beyond those of the best measure, which grow as the inner class shrinks."""
    return 8 / (1 - delta)


def _lengths(delta: float) -> np.ndarray:
    return np.linspace(0, _farthest(delta), _COARSE)


def _grid(delta: float, time: float, resolution: int) -> Grid:
    end = math.ceil(min(_farthest(delta), farthest(time)))
    return Grid(0.0, end, end * resolution)


def _probabilities(masses: Any) -> np.ndarray:
    """Without what rounding in single precision leaves."""
    held = np.maximum(np.asarray(masses, np.float64), 0)
    return held / held.sum()


class _Measures:
    """The risk of measures on given lengths, as weighted least squares."""

    def __init__(self, units: Radial, delta: float, lengths: np.ndarray) -> None:
        risk = radial_risk(units, delta)
        with jax.enable_x64(True):
            outputs = jax.vmap(units.unit, (0, None))(jnp.asarray(lengths)[:, None], jnp.asarray(risk.x))
        self.outputs, self.targets = np.asarray(outputs)[:, :, 0], np.asarray(risk.y)[:, 0]
        self.weights = np.asarray(risk.weights)

    def risk(self, masses: np.ndarray) -> float:
        return float(self.weights @ (masses @ self.outputs - self.targets) ** 2 / 2)

    def gap(self, masses: np.ndarray, everywhere: "_Measures") -> float:
        """The certificate: the mean of the first variation less its minimum over all lengths."""
        pull = self.weights * (masses @ self.outputs - self.targets)
        return float(masses @ (self.outputs @ pull) - (everywhere.outputs @ pull).min())

    def best(self) -> float:
        """The least risk, by non-negative least squares with a row that holds the total mass at one."""
        root = np.sqrt(self.weights)
        matrix = np.concatenate([(root * self.outputs).T, np.full((1, len(self.outputs)), _PENALTY)])
        masses, _ = optimize.nnls(matrix, np.append(root * self.targets, _PENALTY))
        return self.risk(masses / masses.sum())


def _sphere(units: Radial, delta: float) -> tuple[float, float]:
    """The least risk of neurons of one length, and its certificate over all lengths."""
    coarse = _lengths(delta)
    measures = _Measures(units, delta, coarse)
    risks = measures.weights @ ((measures.outputs - measures.targets) ** 2).T / 2
    near = coarse[np.clip(np.argmin(risks) + np.array([-1, 1]), 0, len(coarse) - 1)]
    alone = np.ones(1)
    radius = optimize.minimize_scalar(
        lambda r: _Measures(units, delta, np.array([r])).risk(alone), bounds=tuple(near), method="bounded"
    ).x
    sphere = _Measures(units, delta, np.array([radius]))
    return sphere.risk(alone), sphere.gap(alone, measures)


def _threshold(units: Radial) -> float:
    def beyond(delta: float) -> float:
        return _sphere(units, delta)[1] - _NOTHING

    return float(optimize.bisect(beyond, 0.1, 0.8, xtol=1e-4))
