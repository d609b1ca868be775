"""Functions of several variables: the waves of a trigonometric sum, each direction by units of one variable."""

import functools
import math
from typing import NamedTuple

import numpy as np

from nnlimits.approximation.plans import Plan, Planner, least
from nnlimits.approximation.ridges import Ridges, combined
from nnlimits.approximation.smoothness import Smoothness
from nnlimits.approximation.target import Target
from nnlimits.approximation.trigonometric import Direction, cosine_sum, degrees, distance_bound
from nnlimits.approximation.univariate import Univariate
from nnlimits.approximation.wave_plans import MOST_SAMPLES, NEGLIGIBLE

_LARGEST_DEGREE = 250
"""Beyond, waves have so many directions that no affordable number of units follows them."""

_PATIENCE = 4
"""Degrees in a row without improvement after which no larger one is tried."""

_REFERENCE = 4096
"""Cells at which the constant in front of a bound is read off."""


class _Waves(NamedTuple):
    """A trigonometric sum of some degree, by direction."""

    degree: int
    constant: np.ndarray
    directions: list[Direction]
    bound: float
    constants: np.ndarray
    """Of each direction, what its bound is times the cells to the power of the construction's order."""
    sizes: np.ndarray


class RidgePlanner(Planner):
    """Chooses the degree and the cells along each direction, so that the parts of the bound are in balance."""

    description = "a trigonometric sum of ridge functions"

    def __init__(self, target: Target, known: Smoothness, construction: Univariate) -> None:
        self._target, self._known, self._construction = target, known, construction
        dimension = target.domain.dimension
        self._largest_degree = min(int(MOST_SAMPLES ** (1 / dimension)) - 2, _LARGEST_DEGREE)

    @property
    def fewest_units(self) -> int:  # noqa: D102
        return self._construction.units(self._construction.fewest_cells)

    def within(self, units: int) -> Plan | None:  # noqa: D102
        best, worse = None, 0
        for degree in degrees(1, self._largest_degree):
            waves = self._waves(degree)
            plan = self._plan(waves, _cells_within(self._construction, waves, units))
            improved = plan.units <= units and (best is None or plan.bound < best.bound)
            best, worse = (plan, 0) if improved else (best, worse + 1)
            if worse >= _PATIENCE:
                break
        return best if best is not None and best.units else None

    def reaching(self, tolerance: float, most_units: int) -> Plan | None:  # noqa: D102
        first = least(
            lambda degree: (1 + NEGLIGIBLE) * self._trigonometric(degree) < 0.98 * tolerance, 1, self._largest_degree
        )
        best, worse = None, 0
        for degree in [] if first is None else degrees(first, self._largest_degree):
            waves = self._waves(degree)
            cells = _cells_reaching(self._construction, waves, tolerance - waves.bound, most_units)
            plan = None if cells is None else self._plan(waves, cells)
            fits = plan is not None and plan.units <= most_units and plan.bound <= tolerance
            improved = plan is not None and fits and (best is None or plan.units < best.units)
            best, worse = (plan, 0) if improved else (best, worse + 1)
            if worse >= _PATIENCE:
                break
        return best

    def _trigonometric(self, degree: int) -> float:
        return distance_bound(self._target.domain.diameter, degree, self._known.lipschitz)

    def _waves(self, degree: int) -> _Waves:
        bound = self._trigonometric(degree)
        waves, dropped = cosine_sum(self._target, degree).pruned(NEGLIGIBLE * bound)
        directions = waves.directions()
        constants = [_bound(self._construction, d, _REFERENCE) for d in directions]
        return _Waves(
            degree,
            waves.constant,
            directions,
            bound + dropped,
            np.array(constants) * float(_REFERENCE) ** self._construction.order,
            np.array([direction.size for direction in directions]),
        )

    def _plan(self, waves: _Waves, cells: np.ndarray) -> Plan:
        if not cells.any():  # a network has at least one unit
            cells[np.argmax(waves.sizes)] = self._construction.fewest_cells
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


def _cells(construction: Univariate, waves: _Waves, scale: float) -> np.ndarray:
    """Cells in the proportions that make the sum of bounds least for their number (Lagrange); none where none is as good."""
    shares = waves.constants ** (1 / (construction.order + 1))
    wanted = np.maximum(np.ceil(scale * shares), construction.fewest_cells)
    reached = waves.constants / wanted**construction.order
    return np.where(waves.sizes <= reached, 0, wanted).astype(int)


def _cells_within(construction: Univariate, waves: _Waves, units: int) -> np.ndarray:
    beyond = construction.units(0)

    def spent(scale: float) -> int:
        cells = _cells(construction, waves, scale)
        return int(np.sum(cells + beyond * (cells > 0)))

    low, high = 1e-9, 1e6
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if spent(middle) <= units else (low, middle)
    return _cells(construction, waves, low)


def _cells_reaching(construction: Univariate, waves: _Waves, tolerance: float, most_units: int) -> np.ndarray | None:
    def bound(scale: float) -> float:
        cells = _cells(construction, waves, scale)
        reached = waves.constants / np.maximum(cells, 1) ** float(construction.order)
        return float(np.where(cells > 0, reached, waves.sizes).sum())

    largest = float(np.sum(waves.constants ** (1 / (construction.order + 1))))
    most = 2.0 * most_units / max(largest, float(np.finfo(np.float32).tiny))
    if bound(most) > tolerance:
        return None
    low, high = most * 1e-9, most
    for _ in range(50):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if bound(middle) <= tolerance else (middle, high)
    return _cells(construction, waves, high)
