"""What to build, and what it will promise, before it is built."""

import abc
import dataclasses
from collections.abc import Callable, Mapping

from nnlimits.approximation.shallow.ridges import Ridges


@dataclasses.dataclass(frozen=True)
class Plan:
    """A construction with all sizes chosen."""

    units: int
    bound: float
    """Of the sup distance in real numbers."""
    ridges: Callable[[], Ridges]
    """Builds it."""
    theorem: str
    constants: Mapping[str, float]


class Planner(abc.ABC):
    """Chooses sizes."""

    description: str
    """The construction in words."""

    @property
    @abc.abstractmethod
    def fewest_units(self) -> int:
        """The fewest units that it can use."""

    @abc.abstractmethod
    def within(self, units: int) -> Plan | None:
        """The plan with the least bound of at most so many units; None if there is none."""

    @abc.abstractmethod
    def reaching(self, tolerance: float, most_units: int) -> Plan | None:
        """The plan with the fewest units whose bound is at most the tolerance; None if they are more than `most_units`."""


def least(holds: Callable[[int], bool], first: int, last: int) -> int | None:
    """The least integer from `first` to `last` from which on something holds; None if it does not hold at `last`."""
    if first > last:
        return None
    low, high = first, first
    while not holds(high):
        if high == last:
            return None
        low, high = high + 1, min(2 * high + 1, last)
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return high
