"""Functions of several variables: the waves of a trigonometric sum, each direction by units of one variable."""

import functools
import math
from typing import NamedTuple

import numpy as np

from nnlimits.approximation.plans import Plan, Planner
from nnlimits.approximation.ridges import Ridges, combined
from nnlimits.approximation.smoothness import Smoothness
from nnlimits.approximation.target import Target
from nnlimits.approximation.trigonometric import Direction, cosine_sum, distance_bound
from nnlimits.approximation.univariate import Univariate
from nnlimits.approximation.wave_plans import MOST_SAMPLES

_MOST_DIRECTIONS = 50_000
_PATIENCE = 4
"""Degrees in a row without improvement after which no larger one is tried."""

_REFERENCE = 4096.0
"""Cells at which the constant in front of a bound is read off."""


class _Waves(NamedTuple):
    """A trigonometric sum of some degree, by direction."""

    degree: int
    constant: np.ndarray
    directions: list[Direction]
    bound: float


class RidgePlanner(Planner):
    """Chooses the degree and the cells along each direction, so that the parts of the bound are in balance."""

    def __init__(self, target: Target, known: Smoothness, construction: Univariate) -> None:
        self._target, self._known, self._construction = target, known, construction
        self.description = "a trigonometric sum of ridge functions"
        dimension = target.domain.dimension
        self._largest_degree = min(
            int(MOST_SAMPLES ** (1 / dimension)) - 2, int((2 * _MOST_DIRECTIONS) ** (1 / dimension) - 1) // 2
        )

    @property
    def fewest_units(self) -> int:
        return self._construction.units(self._construction.fewest_cells)

    def within(self, units: int) -> Plan | None:
        best, worse = None, 0
        for degree in range(1, self._largest_degree + 1):
            waves = self._waves(degree)
            plan = self._plan(waves, _cells_within(self._construction, waves.directions, units))
            if plan.units <= units and (best is None or plan.bound < best.bound):
                best, worse = plan, 0
            else:
                worse += 1
            if worse >= _PATIENCE:
                break
        return best

    def reaching(self, tolerance: float, most_units: int) -> Plan | None:
        best, worse = None, 0
        for degree in range(1, self._largest_degree + 1):
            bound = distance_bound(self._target.domain.diameter, degree, self._known.lipschitz)
            if bound >= 0.98 * tolerance:
                continue
            waves = self._waves(degree)
            cells = _cells_reaching(self._construction, waves.directions, tolerance - bound, most_units)
            plan = None if cells is None else self._plan(waves, cells)
            if plan is not None and plan.units <= most_units and (best is None or plan.units < best.units):
                best, worse = plan, 0
            else:
                worse += 1
            if worse >= _PATIENCE:
                break
        return best

    def _waves(self, degree: int) -> _Waves:
        waves = cosine_sum(self._target, degree)
        bound = distance_bound(self._target.domain.diameter, degree, self._known.lipschitz)
        return _Waves(degree, waves.constant, waves.directions(), bound)

    def _plan(self, waves: _Waves, cells: np.ndarray) -> Plan:
        along = sum(_bound(self._construction, d, int(n)) for d, n in zip(waves.directions, cells, strict=True))
        return Plan(
            sum(self._construction.units(int(n)) for n in cells if n),
            waves.bound + along,
            functools.partial(self._ridges, waves, cells),
            f"Trigonometric sums (DeVore & Lorentz 1993, section 7.2), their ridges: {self._construction.theorem}",
            {
                "degree": float(waves.degree),
                "directions": float(np.count_nonzero(cells)),
                "trigonometric": waves.bound,
                "ridges": along,
            },
        )

    def _ridges(self, waves: _Waves, cells: np.ndarray) -> Ridges:
        domain = self._target.domain
        scale = math.pi / domain.sides
        parts = []
        for direction, count in zip(waves.directions, cells, strict=True):
            if count:
                along = self._construction.ridges(direction.values, *direction.interval, int(count))
                weights = direction.direction * scale
                parts.append(along.along(weights, -float(weights @ np.asarray(domain.lower))))
        return combined(parts, waves.constant)


def _bound(construction: Univariate, direction: Direction, cells: int) -> float:
    """Of one direction; of one that is left out its size."""
    if cells == 0:
        return direction.size
    low, high = direction.interval
    return construction.bound(cells, high - low, direction.lipschitz, direction.curvature)


def _constants(construction: Univariate, directions: list[Direction]) -> np.ndarray:
    return np.array([_bound(construction, d, int(_REFERENCE)) * _REFERENCE**construction.order for d in directions])


def _cells(construction: Univariate, directions: list[Direction], constants: np.ndarray, scale: float) -> np.ndarray:
    """Cells in the proportions that make the sum of bounds least for their number (Lagrange); none where none is as good."""
    wanted = np.maximum(np.ceil(scale * constants ** (1 / (construction.order + 1))), construction.fewest_cells)
    size = np.array([direction.size for direction in directions])
    reached = constants / wanted**construction.order
    return np.where(size <= reached, 0, wanted).astype(int)


def _cells_within(construction: Univariate, directions: list[Direction], units: int) -> np.ndarray:
    constants = _constants(construction, directions)

    def spent(scale: float) -> int:
        return sum(construction.units(int(n)) for n in _cells(construction, directions, constants, scale) if n)

    low, high = 1e-6, 1e9
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if spent(middle) <= units else (low, middle)
    return _cells(construction, directions, constants, low)


def _cells_reaching(
    construction: Univariate, directions: list[Direction], tolerance: float, most_units: int
) -> np.ndarray | None:
    constants = _constants(construction, directions)

    def bound(scale: float) -> float:
        cells = _cells(construction, directions, constants, scale)
        return sum(_bound(construction, d, int(n)) for d, n in zip(directions, cells, strict=True))

    most = 2.0 * most_units / max(float(np.sum(constants ** (1 / (construction.order + 1)))), 1e-300)
    if bound(most) > tolerance:
        return None
    low, high = most * 1e-9, most
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if bound(middle) <= tolerance else (middle, high)
    return _cells(construction, directions, constants, high)
