"""How fast greedy networks approach functions as units are added, in several dimensions."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits import nn
from nnlimits.approximation.barron.claims import known
from nnlimits.approximation.barron.greedy import Algorithm, GreedyPath, greedy
from nnlimits.approximation.barron.plan import fitting_points, steep_enough, theorem_bound
from nnlimits.approximation.barron.ridge_units import RidgeUnits, evaluated, to_cube
from nnlimits.approximation.measured_error import HELD_OUT_SEED
from nnlimits.approximation.target import Target
from nnlimits.approximation.targets import named_target
from nnlimits.progress import Advance, ignore
from nnlimits.rates import FittedRate, fitted_rate

SIZES = (8, 16, 32, 64, 128)
TARGETS = ("gaussian", "distance", "sine", "barron")
DIMENSIONS = (1, 2, 4, 6)

_HELD_OUT = 2**14


class GreedyRate(NamedTuple):
    """L^2 distances of greedy networks of several sizes from one function."""

    target: str
    dimension: int
    algorithm: Algorithm
    degree: int
    """Of the units, `relu^k`, k = 0 for steps."""
    sizes: tuple[int, ...]
    """Numbers of units, beside those for polynomials."""
    errors: Float[np.ndarray, "sizes seeds"]
    """On the held-out set."""
    bounds: Float[np.ndarray, " sizes"]
    """The theorem's."""
    rate: FittedRate

    @property
    def promised(self) -> float:
        """The slope of the theorem: -1/2 for relaxed, -1/2 - (2k + 1)/(2d) for orthogonal greedy (Siegel & Xu 2022)."""
        if self.algorithm == "relaxed":
            return -0.5
        return -0.5 - (2 * self.degree + 1) / (2 * self.dimension)


def greedy_rate(
    target: str,
    dimension: int,
    activation: nn.Activation = nn.Relu(),
    algorithm: Algorithm = "orthogonal",
    *,
    sizes: Sequence[int] = SIZES,
    seeds: int = 2,
    advance: Advance = ignore,
) -> GreedyRate:
    """Errors of one function by the number of units, all sizes from one run a seed, which draws other units.

    **Arguments:** `target`, a name of which a Fourier moment or variation is known for the activation; `dimension`; `activation`;
    `algorithm`; `sizes`, ascending; `seeds`, how many; `advance`, told of every unit.
    """
    named = named_target(target, dimension)
    claims = known(named, None, RidgeUnits(activation), None, None, None)
    dictionary, distance = steep_enough(RidgeUnits(activation), claims, sizes[-1])
    z, y = fitting_points(claims, sizes[-1])
    held_out = claims.target.domain.dense(_HELD_OUT, HELD_OUT_SEED)
    errors = np.empty((len(sizes), seeds))
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
    bounds = np.array([theorem_bound(claims, dictionary, size) for size in sizes])
    rate = fitted_rate(np.asarray(sizes, float), errors)
    return GreedyRate(target, dimension, algorithm, dictionary.degree, tuple(sizes), errors, bounds, rate)


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
    seeds: int = 2,
    advance: Advance = ignore,
) -> tuple[GreedyRate, ...]:
    """The orthogonal algorithm with ReLU and the relaxed one with steps, on each function in each dimension.

    **Arguments:** as of `greedy_rate`; `advance`, told of every run.
    """
    found = []
    for dimension in dimensions:
        for target in targets:
            advance(f"{target} in {dimension}")
            if (target, dimension) != ("distance", 1):  # which is two units
                found.append(greedy_rate(target, dimension, nn.Relu(), "orthogonal", sizes=sizes, seeds=seeds))
            found.append(greedy_rate(target, dimension, nn.Step(), "relaxed", sizes=sizes, seeds=seeds))
    return tuple(found)
