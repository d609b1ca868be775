"""Functions of one variable."""

import functools

from nnlimits.approximation.shallow.plans import Plan, Planner, least
from nnlimits.approximation.shallow.ridges import Ridges
from nnlimits.approximation.shallow.smoothness import Smoothness
from nnlimits.approximation.shallow.univariate import Univariate
from nnlimits.approximation.target import Target


class UnivariatePlanner(Planner):
    """Equal cells along the interval."""

    def __init__(self, target: Target, known: Smoothness, construction: Univariate) -> None:
        self._target, self._known, self._construction = target, known, construction
        self.description = construction.theorem

    @property
    def fewest_units(self) -> int:  # noqa: D102
        return self._construction.units(self._construction.fewest_cells)

    def within(self, units: int) -> Plan | None:  # noqa: D102
        cells = units - self._construction.units(0)
        return self._plan(cells) if cells >= self._construction.fewest_cells else None

    def reaching(self, tolerance: float, most_units: int) -> Plan | None:  # noqa: D102
        most = most_units - self._construction.units(0)
        cells = least(lambda n: self._bound(n) <= tolerance, self._construction.fewest_cells, most)
        return None if cells is None else self._plan(cells)

    def _bound(self, cells: int) -> float:
        length = float(self._target.domain.sides[0])
        return self._construction.bound(cells, length, self._known.lipschitz, self._known.curvature)

    def _plan(self, cells: int) -> Plan:
        return Plan(
            self._construction.units(cells),
            self._bound(cells),
            functools.partial(self._ridges, cells),
            self._construction.theorem,
            {"cells": float(cells)},
        )

    def _ridges(self, cells: int) -> Ridges:
        domain = self._target.domain
        return self._construction.ridges(lambda x: self._target(x[:, None]), domain.lower[0], domain.upper[0], cells)
