"""Sines and cosines: each wave of a trigonometric sum is one unit."""

import functools
import math

import numpy as np

from nnlimits.approximation.activation_shapes import Wave
from nnlimits.approximation.plans import Plan, Planner, least
from nnlimits.approximation.ridges import Ridges
from nnlimits.approximation.smoothness import Smoothness
from nnlimits.approximation.target import Target
from nnlimits.approximation.trigonometric import Direction, cosine_sum, degrees, distance_bound

MOST_SAMPLES = 2**18
"""Values of f that one trigonometric sum may take."""

NEGLIGIBLE = 0.01
"""Share of the bound that terms may sum to which are left out."""

_PATIENCE = 4

THEOREM = (
    "Even periodic continuation, averaged with the kernel of Fejer and Korovkin (DeVore & Lorentz 1993, section 7.2)"
)


class WavePlanner(Planner):
    """All frequencies up to a degree along each side."""

    description = "a trigonometric sum"

    def __init__(self, target: Target, known: Smoothness, wave: Wave) -> None:
        self._target, self._known, self._wave = target, known, wave
        dimension = target.domain.dimension
        self._largest_degree = max(0, int(MOST_SAMPLES ** (1 / dimension)) - 2)

    @property
    def fewest_units(self) -> int:  # noqa: D102
        return self._plan(1).units

    def within(self, units: int) -> Plan | None:  # noqa: D102
        best, worse = None, 0
        for degree in degrees(1, self._largest_degree):
            plan = self._plan(degree)
            fits = 0 < plan.units <= units
            best, worse = (plan, 0) if fits else (best, worse + 1)
            if worse >= _PATIENCE:
                break
        return best

    def reaching(self, tolerance: float, most_units: int) -> Plan | None:  # noqa: D102
        degree = least(lambda n: (1 + NEGLIGIBLE) * self._bound(n) <= tolerance, 1, self._largest_degree)
        plan = None if degree is None else self._plan(degree)
        return plan if plan is not None and 0 < plan.units <= most_units else None

    def _bound(self, degree: int) -> float:
        return distance_bound(self._target.domain.diameter, degree, self._known.lipschitz)

    def _plan(self, degree: int) -> Plan:
        waves, dropped = cosine_sum(self._target, degree).pruned(NEGLIGIBLE * self._bound(degree))
        directions = waves.directions()
        return Plan(
            sum(len(part.multiples) for part in directions),
            self._bound(degree) + dropped,
            functools.partial(self._ridges, directions, waves.constant),
            THEOREM,
            {"degree": float(degree), "left out": dropped},
        )

    def _ridges(self, directions: list[Direction], constant: np.ndarray) -> Ridges:
        domain = self._target.domain
        frequencies = np.concatenate([part.multiples[:, None] * part.direction for part in directions])
        amplitudes = np.concatenate([part.amplitudes for part in directions])
        weights = frequencies * (math.pi / domain.sides)
        # cos(k . t) = sin(k . t + pi / 2) = phi((k . t + pi / 2 - phase) / frequency) / amplitude
        offsets = math.pi / 2 - self._wave.phase - weights @ np.asarray(domain.lower)
        return Ridges(
            weights.T / self._wave.frequency,
            offsets / self._wave.frequency,
            amplitudes / self._wave.amplitude,
            constant,
        )
