"""Shallow networks by greedy algorithms, for functions of finite Barron constant or variation."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, PyTree

from nnlimits import nn
from nnlimits.approximation.approximation import Approximation, approximation
from nnlimits.approximation.barron.cells import cell_bounds
from nnlimits.approximation.barron.claims import Claims, known
from nnlimits.approximation.barron.greedy import Algorithm, GreedyPath, greedy
from nnlimits.approximation.barron.network import shallow_network
from nnlimits.approximation.barron.ridge_units import RidgeUnits, Units, to_cube
from nnlimits.approximation.barron.upper_confidence import FAILURE, UpperConfidence, upper_confidence
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.target import check_tolerance
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore

MOST_UNITS = 1024
"""The largest budget."""

_SMOOTHED = 0.1
"""What finitely steep units may add to the bound, relative to it."""

_TO_FIT = 0.75
"""The share of a tolerance that the residual on the fitting points is brought to."""

_REFUTED = 4.0
"""How far above the theorem's bound a fit may end before the claim is refused."""

_FITTING_SEED = 5


def barron(
    f: Any,
    domain: Any = None,
    *,
    tolerance: float | None = None,
    units: int | None = None,
    constant: float | None = None,
    variation: float | None = None,
    lipschitz: float | None = None,
    activation: nn.Activation = nn.Sigmoid(),
    algorithm: Algorithm = "relaxed",
    seed: int = 0,
    advance: Advance = ignore,
) -> Approximation:
    """A network of one hidden layer, N units chosen greedily, for a function of finite Barron constant.

    With `C_f = integral of |omega|_B |F|(d omega)`, `|omega|_B` the largest of `|omega . (x - centre)|` on the box, Barron (1993),
    Theorem 1, bounds the L^2 distance from the best network of N sigmoidal units by `2 C_f / sqrt(N)`; with the constant of the
    output chosen freely a unit's standard deviation is at most 1/2, which leaves `C_f / sqrt(N)`. For `relu^k`, with the moment C
    of order k + 1 and beside polynomials of degree k, which cost units as well, it is `C / ((k + 1)! sqrt(N))`; of given variation
    V, `V / (2 sqrt(N))`. The greedy algorithms reach these rates (`greedy.greedy`). The orthogonal one is faster where the
    dictionary is smooth, of order `N^(-1/2 - (2k + 1) / (2d))` (Siegel & Xu 2022), with a constant that is not known.

    These bounds hold for the root mean square over the points that are fitted, of whatever claim is true, if each step found a unit
    as good as the theorem needs; the share of steps that did is among the constants. That the norm over the whole box is below the
    bound too is then proved: by a Lipschitz constant in small cells (`cell_bounds`), which is enough in one or two dimensions, or
    else from other points, drawn independently, but for a probability of 1e-9 (`upper_confidence`). Where neither shows it, what
    they do show is the bound.

    **Arguments:** `f`, as of `Target`, or a `NamedTarget`, which brings its constants; `domain`; one of `units`, the width, and
    `tolerance`, of the L^2 norm: the fewest units that the theorem needs for it or, if fewer, units until the proof succeeds;
    `constant`, the Fourier moment of order k + 1 on the box (C_f for k = 0), or `variation`; without either it is estimated
    (`barron_constant`), and the certificate says so; `lipschitz`, which bounds the values where nothing else does; `activation`,
    sigmoidal or a power of the rectifier; `algorithm`, `"relaxed"` or `"orthogonal"`; `seed`, of the units drawn; `advance`, told
    of every unit.

    **Raises:** `ValueError` for both or neither of `units` and `tolerance`; for a tolerance that 1024 units do not reach, or a
    budget without room for one unit, with what is achievable; for a constant that values contradict, or that does not exist.
    """
    if (tolerance is None) == (units is None):
        raise ValueError("give exactly one of units, the width of the network, and tolerance, of the L^2 distance")
    if algorithm not in ("relaxed", "orthogonal"):
        raise ValueError(f"algorithm must be 'relaxed' or 'orthogonal'; received {algorithm!r}")
    claims = known(f, domain, RidgeUnits(activation), constant, variation, lipschitz)
    count = _count(claims, RidgeUnits(activation), tolerance, units)
    dictionary, distance = _steep_enough(RidgeUnits(activation), claims, count)
    z, y = _fitting_points(claims, count)
    path = greedy(
        dictionary,
        z,
        y,
        (count,),
        variation=claims.variation,
        distance=distance,
        algorithm=algorithm,
        enough=0.0 if tolerance is None else _TO_FIT * tolerance,
        seed=seed,
        advance=advance,
    )
    network, params = shallow_network(
        dictionary, claims.target.domain, path.polynomials, path.units, path.coefficients[-1]
    )
    counted = count if units is not None else max(1, len(path.units.thresholds))
    proof = _Proof(claims, dictionary, algorithm, path, counted)
    return approximation(network, params, claims.target, proof.certificate(network, params, tolerance))


def _count(claims: Claims, dictionary: RidgeUnits, tolerance: float | None, units: int | None) -> int:
    """How many units beside the polynomial ones."""
    reserved = dictionary.polynomial_units(claims.target.domain.dimension)
    if units is None:
        assert tolerance is not None
        check_tolerance(tolerance, max(abs(claims.low), abs(claims.high)))
        needed = math.ceil((_theorem(claims, dictionary, 1) / tolerance) ** 2 * (1 - 1e-12))
        return max(1, min(needed, MOST_UNITS - reserved))
    units = as_integer("units", 1, units)
    if units > MOST_UNITS:
        reached = _theorem(claims, dictionary, MOST_UNITS - reserved)
        raise ValueError(
            f"units may be {MOST_UNITS} at most, which the theorem bounds by {reached:.3g}; received {units}"
        )
    if units <= reserved:
        raise ValueError(
            f"units={units} leaves none for f: of {dictionary.activation!r} in {claims.target.domain.dimension} dimensions {reserved} "
            f"make polynomials of degree {dictionary.degree}; give {reserved + 1} or more, or a sigmoidal activation"
        )
    return units - reserved


def _theorem(claims: Claims, dictionary: RidgeUnits, count: int) -> float:
    return claims.variation / (2 * math.sqrt(count)) * (1 + _SMOOTHED * dictionary.is_smooth)


def _steep_enough(dictionary: RidgeUnits, claims: Claims, count: int) -> tuple[RidgeUnits, float]:
    """Units so steep that their hull is `_SMOOTHED` times the bound from f, and that distance.

    A ridge function g with `|g'| <= c` in place of steps at u with weights g'(u) is off by `c M / tau` at most, M the activation's
    `excess`; by Fourier, the sum of the c is C_f. Of a variation alone, the L^2 distance of a unit from its step counts: the
    density of `alpha . z` is at most d / 2, so that it is `sqrt(d M / (2 tau))`.
    """
    if not dictionary.is_smooth:
        return dictionary, 0.0
    assert dictionary.sigmoidal is not None
    excess, d = dictionary.sigmoidal.excess, claims.target.domain.dimension
    allowed = _SMOOTHED / (2 * math.sqrt(count))
    steepest = excess / (2 * allowed) if claims.constant is not None else d * excess / (2 * allowed**2)
    return RidgeUnits(dictionary.activation, max(steepest, 1.0)), allowed * claims.variation


def _fitting_points(claims: Claims, count: int) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    n = max(4096, 2 ** math.ceil(math.log2(32 * count)))
    x = claims.target.domain.dense(n, _FITTING_SEED)[:n]
    return to_cube(claims.target.domain, x), claims.target(x)[:, 0]


class _Proof(NamedTuple):
    """What goes into the certificate."""

    claims: Claims
    dictionary: RidgeUnits
    algorithm: Algorithm
    path: GreedyPath
    counted: int
    """The units that the theorem counts: those that were asked for, or fewer if a tolerance was reached with fewer."""

    def certificate(self, network: nn.Layer, params: PyTree, tolerance: float | None) -> Certificate:
        """The theorem's bound if it is proved on the box and within the tolerance, or else what is proved."""
        theorem = _theorem(self.claims, self.dictionary, self.counted)
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
                f"the claim that {self.claims.assumption} is contradicted: after {len(self.path.units.thresholds)} units the residual "
                f"is {fitted:.4g}, where the theorem promises {theorem:.4g}; give a larger constant"
            )

    def _unreached(self, tolerance: float, bound: float) -> str:
        count = len(self.path.units.thresholds)
        needed = math.ceil((_theorem(self.claims, self.dictionary, 1) / tolerance) ** 2)
        return (
            f"tolerance={tolerance:g} is not reached: {count} units are proved to be within {bound:.3g} in L^2, and the theorem needs "
            f"{needed:,} units, more than {MOST_UNITS}; a tolerance of {1.05 * bound:.2g} is achievable"
            + ("" if self.algorithm == "orthogonal" else ", and less with algorithm='orthogonal'")
        )


_CITED = {
    ("relaxed", False): "Barron (1993), Theorem 1, by the relaxed greedy algorithm",
    ("orthogonal", False): "Barron (1993), Theorem 1, by the orthogonal greedy algorithm (DeVore & Temlyakov 1996)",
    ("relaxed", True): "Klusowski & Barron (2018), by the relaxed greedy algorithm",
    ("orthogonal", True): "Klusowski & Barron (2018), by the orthogonal greedy algorithm (Siegel & Xu 2022)",
}


def _batched(network: nn.Layer, params: PyTree) -> Any:
    import jax

    return jax.jit(lambda x: network.apply(params, x))
