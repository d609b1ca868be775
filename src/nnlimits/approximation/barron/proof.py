"""The certificate of a greedy network: the theorem's bound, if it is proved of the network on the box."""

import math
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from nnlimits import nn
from nnlimits.approximation.barron.cells import cell_bounds
from nnlimits.approximation.barron.claims import Claims
from nnlimits.approximation.barron.greedy import Algorithm, GreedyPath
from nnlimits.approximation.barron.plan import theorem_bound
from nnlimits.approximation.barron.ridge_units import RidgeUnits, Units
from nnlimits.approximation.barron.upper_confidence import FAILURE, UpperConfidence, upper_confidence
from nnlimits.approximation.certificate import Certificate

MOST_UNITS = 1024
"""The largest budget."""

_REFUTED = 4.0
"""How far above the theorem's bound a fit may end before the claim is refused."""


class Proof(NamedTuple):
    """What goes into the certificate."""

    claims: Claims
    dictionary: RidgeUnits
    algorithm: Algorithm
    path: GreedyPath
    counted: int
    """The units that the theorem counts: those that were asked for, or fewer if a tolerance was reached with fewer."""

    def certificate(self, network: nn.Layer, params: PyTree, tolerance: float | None) -> Certificate:
        """The theorem's bound if it is proved on the box and within the tolerance, or else what is proved."""
        theorem = theorem_bound(self.claims, self.dictionary, self.counted)
        fitted = float(self.path.residuals[-1])
        self._check_fit(theorem, fitted)
        wanted = theorem if tolerance is None or theorem <= tolerance else tolerance
        proved = self._proved(network, params, wanted)
        bound = wanted if proved.bound <= wanted else proved.bound
        if tolerance is not None and bound > tolerance:
            raise ValueError(self._unreached(tolerance, bound))
        return self._certificate(bound, theorem, fitted, proved)

    def _proved(self, network: nn.Layer, params: PyTree, wanted: float) -> UpperConfidence:
        """By cells of the box if that is enough, or else by independent points."""
        claims, path = self.claims, self.path
        both = (np.concatenate(fields) for fields in zip(path.polynomials, path.units, strict=True))
        cells = cell_bounds(
            claims.target, claims.low, claims.high, self.dictionary, Units(*both), path.coefficients[-1]
        )
        if cells.l2 <= wanted:
            return UpperConfidence(cells.l2, math.nan, 0)
        drawn = upper_confidence(claims.target, _batched(network, params), cells.sup, wanted)
        return drawn if drawn.bound <= cells.l2 else UpperConfidence(cells.l2, math.nan, 0)

    def _certificate(self, bound: float, theorem: float, fitted: float, proved: UpperConfidence) -> Certificate:
        degree, claims = self.dictionary.degree, self.claims
        constants = {"C_f" if degree == 0 else f"C_{degree + 1}": claims.constant} if claims.constant else {}
        constants |= {
            "variation": claims.variation,
            "units": len(self.path.units.thresholds),
            "theorem's bound": theorem,
            "steps as good as it needs": float(self.path.sufficient.mean()) if len(self.path.sufficient) else 1.0,
            "fitted L2": fitted,
            "proved L2": proved.bound,
        } | ({"points of the proof": proved.points} if proved.points else {})
        assumptions = [claims.assumption] * (bound == theorem or claims.target.lipschitz is None)
        if claims.target.lipschitz is not None:
            assumptions.append(f"f has the Lipschitz constant {claims.target.lipschitz:.6g}")
        if not claims.bounded:
            assumptions.append(f"f is between {claims.low:.6g} and {claims.high:.6g}")
        return Certificate(
            _CITED[self.algorithm, degree > 0],
            bound,
            "L2",
            constants,
            tuple(assumptions),
            claims.bounded,
            failure=FAILURE if proved.points else 0.0,
        )

    def _check_fit(self, theorem: float, fitted: float) -> None:
        if fitted > _REFUTED * theorem:
            raise ValueError(
                f"the claim that {self.claims.assumption} is contradicted: after {len(self.path.units.thresholds)} units the "
                f"residual is {fitted:.4g}, where the theorem promises {theorem:.4g}; give a larger constant"
            )

    def _unreached(self, tolerance: float, bound: float) -> str:
        count = len(self.path.units.thresholds)
        needed = math.ceil((theorem_bound(self.claims, self.dictionary, 1) / tolerance) ** 2)
        return (
            f"tolerance={tolerance:g} is not reached: {count} units are proved to be within {bound:.3g} in L^2, and the theorem "
            f"needs {needed:,} units, more than {MOST_UNITS}; a tolerance of {1.05 * bound:.2g} is achievable"
            + ("" if self.algorithm == "orthogonal" else ", and less with algorithm='orthogonal'")
        )


_CITED = {
    ("relaxed", False): "Barron (1993), Theorem 1, by the relaxed greedy algorithm",
    ("orthogonal", False): "Barron (1993), Theorem 1, by the orthogonal greedy algorithm (DeVore & Temlyakov 1996)",
    ("relaxed", True): "Klusowski & Barron (2018), by the relaxed greedy algorithm",
    ("orthogonal", True): "Klusowski & Barron (2018), by the orthogonal greedy algorithm (Siegel & Xu 2022)",
}


def _batched(network: nn.Layer, params: PyTree) -> Any:
    return jax.jit(lambda x: network.apply(params, x))
