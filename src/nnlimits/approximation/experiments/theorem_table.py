"""Every theorem on functions of every kind: certificates, proofs, and measured errors beside each other."""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

from nnlimits import nn
from nnlimits.approximation.adversarial import adversarial_error
from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.size import Size, size
from nnlimits.approximation.targets import named_target
from nnlimits.approximation.theorems import approximate
from nnlimits.approximation.verification import verify
from nnlimits.progress import Advance, ignore

_LARGEST_VERIFIED = 20_000
"""Weights of the largest network whose difference from f is bounded by intervals, in up to two dimensions."""

_BOXES = 20_000

_LARGEST_ATTACKED = 1_000_000
"""Weights of the largest network that is searched from more than one start."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A theorem, a function and a budget."""

    theorem: str
    target: str
    dimension: int
    tolerance: float | None = None
    units: int | None = None
    bits: int | None = None
    activation: nn.Activation | None = None

    @property
    def budget(self) -> str:
        """The budget in words."""
        if self.tolerance is not None:
            return f"tolerance {self.tolerance:g}"
        return f"{self.units} units" if self.units is not None else f"{self.bits} bits"

    def apply(self, advance: Advance = ignore) -> Approximation:
        """What the theorem makes of it."""
        return approximate(
            self.theorem,
            named_target(self.target, self.dimension),
            tolerance=self.tolerance,
            units=self.units,
            bits=self.bits,
            activation=self.activation,
            advance=advance,
        )


class Row(NamedTuple):
    """What came of a case."""

    case: Case
    kind: str
    """Of the function."""
    approximation: Approximation
    size: Size
    verified: float | None
    """A proved upper bound of the distance in the certificate's norm, found after the construction; None if none was sought."""
    attacked: float | None
    """The largest difference that an adversarial search found, of certificates in the sup norm."""

    @property
    def holds(self) -> bool:
        """Whether neither the measured distance nor the search is above the certificate."""
        below = self.attacked is None or self.attacked <= self.approximation.certificate.bound
        return self.approximation.holds and below


CASES = (
    Case("shallow", "gaussian", 1, tolerance=1e-3),
    Case("shallow", "tent", 1, tolerance=0.01),
    Case("shallow", "waves", 1, tolerance=0.05),
    Case("shallow", "runge", 1, tolerance=0.05, activation=nn.Tanh()),
    Case("shallow", "gaussian", 2, tolerance=0.3),
    Case("barron", "gaussian", 2, units=64),
    Case("barron", "distance", 4, units=128, activation=nn.Step()),
    Case("barron", "waves", 2, units=128),
    Case("barron", "step", 3, units=64, activation=nn.Step()),
    Case("barron", "barron", 6, units=128),
    Case("orthogonal-greedy", "gaussian", 2, units=64),
    Case("orthogonal-greedy", "distance", 4, units=128),
    Case("orthogonal-greedy", "sine", 2, units=64),
    Case("orthogonal-greedy", "ball", 1, units=8, activation=nn.Step()),
    Case("orthogonal-greedy", "barron", 6, units=128),
    Case("orthogonal-greedy", "gaussian", 2, tolerance=0.005),
    Case("yarotsky", "gaussian", 1, tolerance=1e-6),
    Case("yarotsky", "tent", 1, tolerance=0.01),
    Case("yarotsky", "sine", 1, tolerance=1e-4),
    Case("yarotsky", "distance", 2, tolerance=0.1),
    Case("yarotsky", "gaussian", 3, tolerance=0.5),
    Case("deep-narrow", "gaussian", 1, tolerance=0.01),
    Case("deep-narrow", "tent", 1, tolerance=0.05),
    Case("deep-narrow", "sine", 1, tolerance=0.1, activation=nn.Tanh()),
    Case("deep-narrow", "gaussian", 2, tolerance=0.5),
    Case("minimum-width", "gaussian", 1, bits=7),
    Case("minimum-width", "distance", 2, bits=4),
    Case("minimum-width", "sine", 1, bits=8),
    Case("minimum-width", "step", 1, bits=8),
    Case("minimum-width", "ball", 2, bits=5),
)
"""Each theorem on a smooth, a kinked, an oscillating and, where it has a certificate, a discontinuous function."""


def theorem_table(cases: Sequence[Case] = CASES, *, advance: Advance = ignore) -> tuple[Row, ...]:
    """Apply theorems to functions and compare what is certified, proved, found and measured.

    Certificates in the sup norm are checked twice more: by intervals, in one or two dimensions where the network is small, and by
    an adversarial search for a violation. Of greedy networks the proof that is part of their certificate is shown.

    **Arguments:** `cases`; `advance`, told of each.
    """
    rows = []
    for case in cases:
        advance(f"{case.theorem}, {case.target} in {case.dimension}, {case.budget}")
        rows.append(_row(case))
    return tuple(rows)


def _row(case: Case) -> Row:
    found, named = case.apply(), named_target(case.target, case.dimension)
    counts = size(found)
    verified, attacked = found.certificate.constants.get("proved L2"), None
    if found.certificate.norm == "sup":
        starts = 8 if counts.weights <= _LARGEST_ATTACKED else 1
        attacked = adversarial_error(found, starts=starts, points=512 * starts).error
        if case.dimension <= 2 and counts.weights <= _LARGEST_VERIFIED:
            upper = verify(found, bound=found.certificate.bound, budget=_BOXES).upper
            verified = upper if math.isfinite(upper) else None
    return Row(case, named.kind, found, counts, verified, attacked)
