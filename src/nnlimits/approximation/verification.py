"""The sup norm of an approximation's error, between two proved bounds."""

import dataclasses
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.approximation import Approximation, check_approximation
from nnlimits.approximation.difference import Bounds, Difference, difference
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_positive

Outcome = Literal["gap reached", "bound proved", "bound violated", "boxes spent", "resolution reached"]

_BATCH = 1024
_ROUNDS_TOLD = 8

_SMALL = 1e-11
"""Relative to the bound on the whole domain, a gap that counts as rounding."""


@dataclasses.dataclass(frozen=True)
class Verified:
    """What is proved of the largest difference between a function and a network on a box."""

    lower: float
    """The difference at `point` is at least this."""
    point: Float[np.ndarray, " d"]
    """Where."""
    upper: float
    """The difference is nowhere more than this."""
    boxes: int
    """How many were looked at."""
    outcome: Outcome
    """Why the search stopped."""
    method: str
    """How the difference was enclosed."""

    @property
    def gap(self) -> float:
        """How far the bounds are apart, relative to the lower one."""
        return self.upper / self.lower - 1 if self.lower > 0 else float(np.inf)

    def __str__(self) -> str:
        return (
            f"sup |f - network| lies in [{self.lower:.6g}, {self.upper:.6g}]: {self.outcome} after {self.boxes} boxes "
            f"({self.method}); the lower bound is attained at {self.point.tolist()}"
        )


def verify(
    approximation: Approximation,
    *,
    bound: float | None = None,
    gap: float = 0.1,
    budget: int = 100_000,
    advance: Advance = ignore,
) -> Verified:
    """Bounds of the sup norm of f - network on the whole domain, by branch and bound in interval arithmetic.

    On each box the difference at the centre is a lower bound, and an upper bound is the least of the natural interval enclosure
    and of the mean value form, whose excess falls with the square of the box (Neumaier 1990, theorem 2.3.3; Ratschek & Rokne
    1988). The box with the greatest upper bound is split first. The network is taken as the function of real numbers that its
    parameters define. Of an f that is no function of JAX the Lipschitz constant is used, and its values are taken as
    exact.

    **Arguments:** `approximation`; `bound`, to prove or to violate, such as its certificate's: the search stops when it has done
    either; without it the search stops when the upper bound exceeds the lower one by less than the share `gap`, or by
    rounding; `budget`, the most boxes to look at; `advance`, told of the bounds.

    **Returns:** a `Verified`, whose bounds are proved whatever stopped the search.

    **Raises:** `ValueError` if nothing is known of f between points, or for arguments that are not positive;
    `TypeError` for what is no `Approximation`.
    """
    check_approximation(approximation)
    check_positive("gap", gap)
    budget = as_integer("budget", 1, budget)
    if bound is not None:
        check_positive("bound", bound)
    domain = approximation.target.domain
    apart = difference(approximation)
    search = _Search(apart, np.asarray(domain.lower)[None], np.asarray(domain.upper)[None])
    rounds = 0
    while True:
        threshold = bound if bound is not None else max(search.lower * (1 + gap), search.lower + search.rounding)
        search.settle(threshold)
        outcome = _outcome(search, bound, budget)
        if outcome is not None:
            return Verified(search.lower, search.point, search.upper, search.boxes, outcome, apart.method)
        search.split(min(_BATCH, max(1, (budget - search.boxes) // 2)))
        rounds += 1
        if rounds % _ROUNDS_TOLD == 0:
            advance(f"sup norm in [{search.lower:.4g}, {search.upper:.4g}], {search.boxes} boxes")


def _outcome(search: "_Search", bound: float | None, budget: int) -> Outcome | None:
    if bound is not None and search.lower > bound:
        return "bound violated"
    if len(search.bounds.above) == 0:
        if search.unresolved:
            return "resolution reached"
        return "gap reached" if bound is None else "bound proved"
    return "boxes spent" if search.boxes + 2 > budget else None


class _Search:
    """Boxes that may hold a larger difference, and what is known so far."""

    def __init__(self, apart: Difference, low: np.ndarray, high: np.ndarray) -> None:
        self._apart = apart
        self._low, self._high = low, high
        self.bounds = apart.bounds(low, high)
        self.boxes = 1
        self.lower, self.point = 0.0, low[0]
        self._settled = self.rounding = 0.0
        self._scale = float(self.bounds.above[0])
        self.unresolved = False
        self._look(low, high, self.bounds)

    @property
    def upper(self) -> float:
        """The greatest upper bound of all boxes."""
        return float(max(self._settled, self.lower, self.bounds.above.max(initial=0.0)))

    def settle(self, threshold: float) -> None:
        """Put boxes aside whose upper bound is at most the threshold."""
        self._keep(self.bounds.above > threshold)

    def split(self, count: int) -> None:
        """Halve the boxes with the greatest upper bounds, each across the coordinate that adds most to its bound."""
        above = self.bounds.above
        count = min(count, len(above))
        chosen = np.argpartition(-above, count - 1)[:count]
        low, high, shares = self._low[chosen], self._high[chosen], self.bounds.shares[chosen]
        wide = (high - low) * np.isfinite(high - low)
        rows = np.arange(count)
        scored = np.where(np.isfinite(shares), shares, np.inf)
        # where several coordinates add without bound, or none does, the longest
        axis = np.where(np.isinf(scored).any(1) | (scored.max(1) <= 0), np.argmax(wide, 1), np.argmax(scored, 1))
        middle = low[rows, axis] + (high[rows, axis] - low[rows, axis]) / 2
        divisible = (low[rows, axis] < middle) & (middle < high[rows, axis])
        self._settle_indivisible(above[chosen][~divisible])
        rows, axis, middle, low, high = (
            rows[divisible],
            axis[divisible],
            middle[divisible],
            low[divisible],
            high[divisible],
        )
        rows = np.arange(len(rows))
        first, second = high.copy(), low.copy()
        first[rows, axis], second[rows, axis] = middle, middle
        rest = np.ones(len(above), bool)
        rest[chosen] = False
        old = (self._low[rest], self._high[rest], Bounds(*(each[rest] for each in self.bounds)))
        self._add(*old, np.concatenate([low, second]), np.concatenate([first, high]))

    def _add(self, old_low: Any, old_high: Any, old: Bounds, low: np.ndarray, high: np.ndarray) -> None:
        self._low, self._high, self.bounds = old_low, old_high, old
        if len(low) == 0:
            return
        new = self._apart.bounds(low, high)
        self.boxes += len(low)
        self._look(low, high, new)
        self._low, self._high = np.concatenate([old_low, low]), np.concatenate([old_high, high])
        self.bounds = Bounds(*(np.concatenate(pair) for pair in zip(old, new, strict=True)))

    def _settle_indivisible(self, above: np.ndarray) -> None:
        if len(above):
            self.unresolved = True
            self._settled = max(self._settled, float(above.max()))

    def _keep(self, kept: np.ndarray) -> None:
        self._settled = max(self._settled, float(self.bounds.above[~kept].max(initial=0.0)))
        self._low, self._high = self._low[kept], self._high[kept]
        self.bounds = Bounds(*(each[kept] for each in self.bounds))

    def _look(self, low: np.ndarray, high: np.ndarray, bounds: Bounds) -> None:
        # what rounding leaves is small, unlike what a jump at a centre leaves
        left = bounds.rounding[np.isfinite(bounds.rounding)].max(initial=0.0)
        self.rounding = min(max(self.rounding, 8 * float(left)), self._scale * _SMALL)
        best = int(np.argmax(bounds.below))
        if bounds.below[best] > self.lower:
            self.lower = float(bounds.below[best])
            self.point = low[best] + (high[best] - low[best]) / 2
