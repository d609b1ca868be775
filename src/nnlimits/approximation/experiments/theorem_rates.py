"""How fast the errors of each theorem's networks fall with their budget, against the rate that the theorem promises."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits import nn
from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.size import size
from nnlimits.approximation.targets import named_target
from nnlimits.approximation.theorems import approximate
from nnlimits.approximation.yarotsky import yarotsky
from nnlimits.progress import Advance, ignore
from nnlimits.rates import FittedRate, fitted_rate


@dataclasses.dataclass(frozen=True)
class RateCase:
    """A theorem and a function, budgets, and the exponent that the theorem promises."""

    theorem: str
    target: str
    dimension: int
    budgets: tuple[int, ...]
    """Units, but bits of each input for the minimum width."""
    promised: float
    """The slope of the certificate's bound, in its own norm, against `scale`."""
    activation: nn.Activation | None = None
    order: int | None = None
    """Of the derivatives that Yarotsky's theorem uses."""

    @property
    def scale(self) -> str:
        """What the rate is in."""
        return {"shallow": "units", "deep-narrow": "hidden layers"}.get(self.theorem, "cells along an axis")

    def apply(self, budget: int) -> Approximation:
        """What the theorem makes of a budget."""
        named = named_target(self.target, self.dimension)
        if self.order is not None:
            bound = named.derivative_bound(self.order) if self.order > 1 else None
            return yarotsky(named.target(), order=self.order, derivative_bound=bound, units=budget)
        units, bits = (None, budget) if self.theorem == "minimum-width" else (budget, None)
        return approximate(self.theorem, named, units=units, bits=bits, activation=self.activation)

    def measure(self, found: Approximation) -> float:
        """The scale of a network."""
        if self.theorem == "shallow":
            return float(size(found).width)
        if self.theorem == "deep-narrow":
            return float(size(found).depth)
        constants = found.certificate.constants
        return constants["cells"] if self.theorem == "yarotsky" else 2 ** constants["input bits"]


class TheoremRate(NamedTuple):
    """Errors of one case, and the power laws fitted to them."""

    case: RateCase
    scales: Float[np.ndarray, " n"]
    sup: Float[np.ndarray, " n"]
    """Measured largest differences."""
    l2: Float[np.ndarray, " n"]
    """Measured root mean squares."""
    bounds: Float[np.ndarray, " n"]
    """The certificates, in the norm `certificate.norm`."""
    certificate: Certificate
    """That of the largest network."""
    sup_rate: FittedRate
    l2_rate: FittedRate

    @property
    def measured(self) -> Float[np.ndarray, " n"]:
        """The errors in the norm of the certificates."""
        return self.sup if self.certificate.norm == "sup" else self.l2

    @property
    def rate(self) -> FittedRate:
        """The rate in the norm of the certificates."""
        return self.sup_rate if self.certificate.norm == "sup" else self.l2_rate

    @property
    def share(self) -> float:
        """The largest measured error in parts of its certificate; above 1, a certificate would be wrong."""
        return float((self.measured / self.bounds).max())


_UNITS = 16, 32, 64, 128, 256
_DEEP = 16, 32, 64, 128
_TANH = nn.Tanh()

RATES = (
    RateCase("shallow", "gaussian", 1, _UNITS, -2.0),
    RateCase("shallow", "runge", 1, _UNITS, -2.0),
    RateCase("shallow", "waves", 1, _UNITS, -2.0),
    RateCase("shallow", "tent", 1, _UNITS, -1.0, activation=_TANH),
    RateCase("deep-narrow", "gaussian", 1, _DEEP, -2.0),
    RateCase("deep-narrow", "sine", 1, _DEEP, -2.0),
    RateCase("deep-narrow", "waves", 1, _DEEP, -1.0, activation=_TANH),
    RateCase("deep-narrow", "tent", 1, _DEEP, -1.0, activation=_TANH),
    RateCase("yarotsky", "gaussian", 1, (400, 600, 1200, 2400, 4800), -2.0, order=2),
    RateCase("yarotsky", "sine", 1, (800, 1200, 1600, 2400, 3200), -4.0, order=4),
    RateCase("yarotsky", "gaussian", 2, (2000, 4000, 8000, 16000), -2.0, order=2),
    RateCase("yarotsky", "distance", 2, (200, 800, 3200, 12800), -1.0, order=1),
    RateCase("minimum-width", "gaussian", 1, (2, 3, 4, 5, 6, 7, 8), -1.0),
    RateCase("minimum-width", "sine", 1, (3, 4, 5, 6, 7, 8), -1.0),
    RateCase("minimum-width", "distance", 2, (1, 2, 3, 4, 5), -1.0),
    RateCase("minimum-width", "ball", 2, (4, 5, 6), -0.5),
)
"""Rates of the greedy theorems are those of `greedy_rates`.

Interpolation by kinks errs by `h^2 max |f''| / 8` on cells of length h, sums of steps by a Lipschitz constant times h / 2, local
polynomials of degree below n by the n-th power of h, and values at the centres of cells in the mean by h, or by its root where
f jumps.
"""


def theorem_rates(cases: Sequence[RateCase] = RATES, *, advance: Advance = ignore) -> tuple[TheoremRate, ...]:
    """Apply theorems with growing budgets, and fit power laws to what is measured.

    **Arguments:** `cases`; `advance`, told of each network.

    **Raises:** what the theorems raise; `ValueError` for a function that a network meets exactly, whose errors have no rate.
    """
    return tuple(_rate(case, advance) for case in cases)


def _rate(case: RateCase, advance: Advance) -> TheoremRate:
    found = []
    for budget in case.budgets:
        advance(f"{case.theorem}, {case.target} in {case.dimension}, budget {budget:,}")
        found.append(case.apply(budget))
    sup, l2 = (np.array([getattr(one.error, norm) for one in found]) for norm in ("sup", "l2"))
    if not (l2 > 0).all():
        raise ValueError(f"a network of {case.theorem} meets {case.target} exactly: its errors follow no power law")
    scales, bounds = np.array([case.measure(one) for one in found]), np.array([one.certificate.bound for one in found])
    rates = fitted_rate(scales, sup[:, None]), fitted_rate(scales, l2[:, None])
    return TheoremRate(case, scales, sup, l2, bounds, found[-1].certificate, *rates)
