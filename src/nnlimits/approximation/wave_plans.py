"""Sines and cosines: each wave of a trigonometric sum is one unit."""

import functools
import math

import numpy as np

from nnlimits.approximation.activation_shapes import Wave
from nnlimits.approximation.plans import Plan, Planner, least
from nnlimits.approximation.ridges import Ridges
from nnlimits.approximation.smoothness import Smoothness
from nnlimits.approximation.target import Target
from nnlimits.approximation.trigonometric import cosine_sum, distance_bound

MOST_SAMPLES = 2**21
"""Values of f that one trigonometric sum may take."""

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
    def fewest_units(self) -> int:
        return self._units(1)

    def within(self, units: int) -> Plan | None:
        beyond = least(lambda degree: self._units(degree) > units, 1, self._largest_degree + 1)
        degree = self._largest_degree if beyond is None else beyond - 1
        return self._plan(degree) if degree >= 1 else None

    def reaching(self, tolerance: float, most_units: int) -> Plan | None:
        degree = least(lambda n: self._bound(n) <= tolerance, 1, self._largest_degree)
        return None if degree is None or self._units(degree) > most_units else self._plan(degree)

    def _units(self, degree: int) -> int:
        return ((2 * degree + 1) ** self._target.domain.dimension - 1) // 2

    def _bound(self, degree: int) -> float:
        return distance_bound(self._target.domain.diameter, degree, self._known.lipschitz)

    def _plan(self, degree: int) -> Plan:
        return Plan(
            self._units(degree),
            self._bound(degree),
            functools.partial(self._ridges, degree),
            THEOREM,
            {"degree": float(degree)},
        )

    def _ridges(self, degree: int) -> Ridges:
        waves, domain = cosine_sum(self._target, degree), self._target.domain
        directions = waves.directions()
        frequencies = np.concatenate([part.multiples[:, None] * part.direction for part in directions])
        amplitudes = np.concatenate([part.amplitudes for part in directions])
        weights = frequencies * (math.pi / domain.sides)
        # cos(k . t) = sin(k . t + pi / 2) = phi((k . t + pi / 2 - phase) / frequency) / amplitude
        offsets = math.pi / 2 - self._wave.phase - weights @ np.asarray(domain.lower)
        return Ridges(
            weights.T / self._wave.frequency,
            offsets / self._wave.frequency,
            amplitudes / self._wave.amplitude,
            waves.constant,
        )
