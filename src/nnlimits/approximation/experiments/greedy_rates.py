"""How fast greedy networks approach functions as units are added, in several dimensions."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits import nn
from nnlimits.approximation.barron.claims import known
from nnlimits.approximation.barron.greedy import Algorithm, GreedyPath, greedy
from nnlimits.approximation.barron.plan import fitting_points, steep_enough, theorem_bound
from nnlimits.approximation.barron.ridge_units import RidgeUnits, evaluated, to_cube
from nnlimits.approximation.experiments.unit_mixture import unit_mixture
from nnlimits.approximation.measured_error import HELD_OUT_SEED
from nnlimits.approximation.target import Target
from nnlimits.approximation.targets import NamedTarget, named_target
from nnlimits.progress import Advance, ignore
from nnlimits.rates import FittedRate, fitted_rate

SIZES = (8, 11, 16, 23, 32, 45, 64)
TARGETS = ("mixture", "gaussian", "distance", "sine", "barron")
DIMENSIONS = (1, 2, 4, 6)

_HELD_OUT = 2**14


class GreedyRate(NamedTuple):
    """L^2 distances of greedy networks of several sizes from one function.

    Rates are of many units. With s_0 the norm of the function beside polynomials, each step of either algorithm makes `1/s^2`
    larger by `4 / V^2`, so that after N steps

        s_N <= 1 / sqrt(1 / s_0^2 + 4 N / V^2),

    which falls as `V / (2 sqrt(N))` from `onset = V^2 / (4 s_0^2)` units on, and hardly before. In six dimensions the onset of
    functions that are small beside their variation is in the thousands: their measured slopes are shallower than the promised
    one, and steeper than that of the bound over the same sizes, `bound_slope`.
    """

    target: str
    dimension: int
    algorithm: Algorithm
    degree: int
    """Of the units, `relu^k`, k = 0 for steps."""
    sizes: tuple[int, ...]
    """Numbers of units, beside those for polynomials."""
    errors: Float[np.ndarray, "sizes seeds"]
    """On the held-out set."""
    fitted: Float[np.ndarray, "sizes seeds"]
    """On the points that the network is fitted to; far smaller ones would tell of too few points."""
    bounds: Float[np.ndarray, " sizes"]
    """The theorem's, `V / (2 sqrt(N))`."""
    start: float
    """s_0."""
    variation: float
    """V."""
    rate: FittedRate
    """Its interval is that of the units drawn: seeds are drawn anew, the function and its points stay."""

    @property
    def promised(self) -> float:
        """The slope of the theorem for many units: -1/2 for relaxed, -1/2 - (2k + 1)/(2d) for orthogonal greedy (Siegel & Xu
        2022)."""
        if self.algorithm == "relaxed":
            return -0.5
        return -0.5 - (2 * self.degree + 1) / (2 * self.dimension)

    @property
    def onset(self) -> float:
        """The number of units from which the bound falls at its rate."""
        return self.variation**2 / (4 * self.start**2)

    @property
    def bounds_from_start(self) -> Float[np.ndarray, " sizes"]:
        """The bound that takes the norm of the function into account, at each size."""
        return np.array([1 / math.sqrt(1 / self.start**2 + 4 * size / self.variation**2) for size in self.sizes])

    @property
    def bound_slope(self) -> float:
        """The slope of `bounds_from_start` over the sizes."""
        return float(np.polyfit(np.log(self.sizes), np.log(self.bounds_from_start), 1)[0])


def greedy_rate(
    target: str | NamedTarget,
    dimension: int,
    activation: nn.Activation = nn.Relu(),
    algorithm: Algorithm = "orthogonal",
    *,
    sizes: Sequence[int] = SIZES,
    seeds: int = 3,
    advance: Advance = ignore,
) -> GreedyRate:
    """Errors of one function by the number of units, all sizes from one run a seed, which draws other units.

    **Arguments:** `target`, a name of which a Fourier moment or variation is known for the activation, `"mixture"` for
    `unit_mixture`, or a `NamedTarget`; `dimension`; `activation`; `algorithm`; `sizes`, ascending; `seeds`, how many; `advance`,
    told of every unit.
    """
    dictionary = RidgeUnits(activation)
    named = _named(target, dimension, dictionary.degree)
    claims = known(named, None, dictionary, None, None, None)
    dictionary, distance = steep_enough(dictionary, claims, sizes[-1])
    z, y = fitting_points(claims, sizes[-1])
    held_out = claims.target.domain.dense(_HELD_OUT, HELD_OUT_SEED)
    errors, fitted, start = np.empty((len(sizes), seeds)), np.empty((len(sizes), seeds)), 0.0
    for seed in range(seeds):
        path = greedy(
            dictionary,
            z,
            y,
            tuple(sizes),
            variation=claims.variation,
            distance=distance,
            algorithm=algorithm,
            seed=seed,
            advance=advance,
        )
        errors[:, seed] = _errors(dictionary, path, claims.target, held_out, len(sizes))
        fitted[:, seed] = path.residuals[np.minimum(sizes, len(path.residuals) - 1)]
        start = float(path.residuals[0])
    bounds = np.array([theorem_bound(claims, dictionary, size) for size in sizes])
    rate = fitted_rate(np.asarray(sizes, float), errors)
    return GreedyRate(
        named.name,
        dimension,
        algorithm,
        dictionary.degree,
        tuple(sizes),
        errors,
        fitted,
        bounds,
        start,
        claims.variation,
        rate,
    )


def _named(target: str | NamedTarget, dimension: int, degree: int) -> NamedTarget:
    if isinstance(target, NamedTarget):
        return target
    return unit_mixture(dimension, degree) if target == "mixture" else named_target(target, dimension)


def _errors(
    dictionary: RidgeUnits, path: GreedyPath, target: Target, points: Float[np.ndarray, "n d"], count: int
) -> Float[np.ndarray, " sizes"]:
    """Of so many sizes, the last ones as the one before where nothing was left to fit."""
    z, wanted = to_cube(target.domain, points), target(points)[:, 0]
    parts = [np.ones((len(z), 1)), evaluated(dictionary, path.units, z)]
    if len(path.polynomials.thresholds):
        parts.insert(1, evaluated(dictionary, path.polynomials, z))
    values = np.concatenate(parts, axis=1)
    differences = [wanted - values[:, : len(own)] @ own for own in path.coefficients]
    found = [float(np.sqrt(np.mean(difference**2))) for difference in differences]
    return np.array(found + [found[-1]] * (count - len(found)))


def greedy_rates(
    targets: Sequence[str] = TARGETS,
    dimensions: Sequence[int] = DIMENSIONS,
    *,
    sizes: Sequence[int] = SIZES,
    seeds: int = 3,
    advance: Advance = ignore,
) -> tuple[GreedyRate, ...]:
    """The orthogonal algorithm with ReLU and the relaxed one with steps, on each function in each dimension.

    **Arguments:** as of `greedy_rate`; `advance`, told of every run.
    """
    pairs: list[tuple[nn.Activation, Algorithm]] = [(nn.Relu(), "orthogonal"), (nn.Step(), "relaxed")]
    runs: list[tuple[str, int, nn.Activation, Algorithm]] = [
        (target, dimension, activation, algorithm)
        for dimension in dimensions
        for target in targets
        for activation, algorithm in pairs
        if (target, dimension, algorithm) != ("distance", 1, "orthogonal")  # which is two units
    ]
    found = []
    for number, (target, dimension, activation, algorithm) in enumerate(runs, 1):
        advance(f"{number} of {len(runs)}: {target} in {dimension} dimensions, {algorithm}")
        found.append(greedy_rate(target, dimension, activation, algorithm, sizes=sizes, seeds=seeds))
    return tuple(found)
