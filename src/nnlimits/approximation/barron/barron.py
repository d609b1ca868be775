"""Shallow networks by greedy algorithms, for functions of finite Barron constant or variation."""

import math
from typing import Any

from nnlimits import nn
from nnlimits.approximation.approximation import Approximation, approximation
from nnlimits.approximation.barron.claims import Claims, known
from nnlimits.approximation.barron.greedy import Algorithm, greedy
from nnlimits.approximation.barron.network import shallow_network
from nnlimits.approximation.barron.plan import fitting_points, steep_enough, theorem_bound
from nnlimits.approximation.barron.proof import MOST_UNITS, Proof
from nnlimits.approximation.barron.ridge_units import RidgeUnits
from nnlimits.approximation.target import check_tolerance
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore

_TO_FIT = 0.75
"""The share of a tolerance that the residual on the fitting points is brought to."""


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

    With `C_f = integral of |omega|_B |F|(d omega)`, `|omega|_B` the largest of `|omega . (x - centre)|` on the box, Barron
    (1993), Theorem 1, bounds the L^2 distance from the best network of N sigmoidal units by `2 C_f / sqrt(N)`; with the constant
    of the output chosen freely a unit's standard deviation is at most 1/2, which leaves `C_f / sqrt(N)`. For `relu^k`, with the
    moment C of order k + 1 and beside polynomials of degree k, which cost units as well, it is `C / ((k + 1)! sqrt(N))`; of
    given variation V, `V / (2 sqrt(N))`. The greedy algorithms reach these rates (`greedy.greedy`). The orthogonal one is faster
    where the dictionary is smooth, of order `N^(-1/2 - (2k + 1) / (2d))` (Siegel & Xu 2022), with a constant that is not known.
    All are rates of many units; `experiments.GreedyRate` says how many, and measures them.

    These bounds hold for the root mean square over the points that are fitted, if the claim is true and each step found a unit as
    good as the theorem needs; the share of steps that did is among the constants. That the norm over the whole box is below the
    bound too is then proved: by a Lipschitz constant in small cells (`cell_bounds`), which is enough in one or two dimensions, or
    else from other points, drawn independently, but for a probability of 1e-9 (`upper_confidence`). Where neither shows it, what
    they do show is the bound.

    **Arguments:** `f`, as of `Target`, or a `NamedTarget`, which brings its constants; `domain`; one of `units`, the width, and
    `tolerance`, of the L^2 norm: the fewest units that the theorem needs for it or, if fewer, units until the proof succeeds;
    `constant`, the Fourier moment of order k + 1 on the box (C_f for k = 0), or `variation`; without either it is estimated
    (`barron_constant`), and the certificate says so; `lipschitz`, by default proved by intervals if f is a function of JAX;
    `activation`, sigmoidal or a power of the rectifier; `algorithm`, `"relaxed"` or `"orthogonal"`; `seed`, of the units drawn;
    `advance`, told of every unit.

    **Raises:** `ValueError` for both or neither of `units` and `tolerance`; for a tolerance that 1024 units do not reach, or a
    budget without room for one unit, with what is achievable; for a constant that values contradict, or that does not exist.
    """
    if (tolerance is None) == (units is None):
        raise ValueError("give exactly one of units, the width of the network, and tolerance, of the L^2 distance")
    if algorithm not in ("relaxed", "orthogonal"):
        raise ValueError(f"algorithm must be 'relaxed' or 'orthogonal'; received {algorithm!r}")
    claims = known(f, domain, RidgeUnits(activation), constant, variation, lipschitz)
    count = _count(claims, RidgeUnits(activation), tolerance, units)
    dictionary, distance = steep_enough(RidgeUnits(activation), claims, count)
    z, y = fitting_points(claims, count)
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
    proof = Proof(claims, dictionary, algorithm, path, counted)
    return approximation(network, params, claims.target, proof.certificate(network, params, tolerance))


def _count(claims: Claims, dictionary: RidgeUnits, tolerance: float | None, units: int | None) -> int:
    """How many units beside the polynomial ones."""
    reserved = dictionary.polynomial_units(claims.target.domain.dimension)
    if units is None:
        assert tolerance is not None
        check_tolerance(tolerance, max(abs(claims.low), abs(claims.high)))
        needed = math.ceil((theorem_bound(claims, dictionary, 1) / tolerance) ** 2 * (1 - 1e-12))
        return max(1, min(needed, MOST_UNITS - reserved))
    units = as_integer("units", 1, units)
    if units > MOST_UNITS:
        reached = theorem_bound(claims, dictionary, MOST_UNITS - reserved)
        raise ValueError(
            f"units may be {MOST_UNITS} at most, which the theorem bounds by {reached:.3g}; received {units}"
        )
    if units <= reserved:
        raise ValueError(
            f"units={units} leaves none for f: of {dictionary.activation!r} in {claims.target.domain.dimension} dimensions "
            f"{reserved} make polynomials of degree {dictionary.degree}; give {reserved + 1} or more, or a sigmoidal activation"
        )
    return units - reserved
