"""Any smooth activation that is no polynomial: polynomials by divided differences of it."""

import functools
import math
from typing import NamedTuple

import numpy as np

from nnlimits import nn
from nnlimits.approximation.divided_differences import LARGEST_DEGREE, PowerSums, power_sums
from nnlimits.approximation.domain import Box
from nnlimits.approximation.plans import Plan, Planner
from nnlimits.approximation.ridges import Ridges
from nnlimits.approximation.smoothness import Smoothness
from nnlimits.approximation.target import Target
from nnlimits.approximation.trigonometric import cosine_sum, distance_bound

_THEOREM = (
    "Polynomials by divided differences of the activation (Leshno et al. 1993; Pinkus 1999, propositions 3.4 and 3.5)"
)


class _Built(NamedTuple):
    sums: PowerSums
    polynomial: float
    constant: np.ndarray
    degree: int

    @property
    def bound(self) -> float:
        return self.polynomial + self.sums.bound


class PolynomialPlanner(Planner):
    """A polynomial of each degree, by as many units and one."""

    description = "divided differences of the activation, whose degrees double precision limits"

    def __init__(self, target: Target, known: Smoothness, activation: nn.Activation) -> None:
        if target.domain.dimension != 1:
            raise ValueError(
                f"{activation!r} has no kink, step, bump or wave that is known, and divided differences of it reach degrees "
                f"too low for functions of {target.domain.dimension} variables; take one such as nn.Relu() or nn.Sin()"
            )
        self._target, self._known, self._activation = target, known, activation

    @property
    def fewest_units(self) -> int:  # noqa: D102
        return 2

    def within(self, units: int) -> Plan | None:  # noqa: D102
        built = [self._built(degree) for degree in range(1, min(units - 1, LARGEST_DEGREE) + 1)]
        built = [each for each in built if each is not None]
        return self._plan(min(built, key=lambda each: each.bound)) if built else None

    def reaching(self, tolerance: float, most_units: int) -> Plan | None:  # noqa: D102
        for degree in range(1, min(most_units - 1, LARGEST_DEGREE) + 1):
            built = self._built(degree) if self._polynomial_bound(degree) <= tolerance else None
            if built is not None and built.bound <= tolerance:
                return self._plan(built)
        return None

    def _polynomial_bound(self, degree: int) -> float:
        """Of f against its polynomial: with `x = c + r cos t`, r half the length, `|dx| <= r |dt|`."""
        return distance_bound(math.pi * float(self._target.domain.sides[0]) / 2, degree, self._known.lipschitz)

    @functools.cache  # noqa: B019
    def _built(self, degree: int) -> _Built | None:
        domain = self._target.domain
        folded = Target(
            lambda t: self._target(domain.centre + domain.sides / 2 * np.cos(np.asarray(t))), Box((0.0,), (math.pi,))
        )
        chebyshev = cosine_sum(folded, degree).coefficients
        powers = np.stack([np.polynomial.chebyshev.cheb2poly(column) for column in chebyshev.T], axis=1)
        powers = np.concatenate([powers, np.zeros((degree + 1 - len(powers), powers.shape[1]))])
        sums = power_sums(self._activation, powers[1:])
        return None if sums is None else _Built(sums, self._polynomial_bound(degree), powers[0], degree)

    def _plan(self, built: _Built) -> Plan:
        return Plan(
            len(built.sums.steps),
            built.bound,
            functools.partial(self._ridges, built),
            _THEOREM,
            {"degree": float(built.degree), "polynomial": built.polynomial, "differences": built.sums.bound},
        )

    def _ridges(self, built: _Built) -> Ridges:
        domain, sums = self._target.domain, built.sums
        half, centre = float(domain.sides[0]) / 2, float(domain.centre[0])
        weights = sums.steps / half
        return Ridges(weights[None], sums.point - weights * centre, sums.coefficients, built.constant + sums.constant)
