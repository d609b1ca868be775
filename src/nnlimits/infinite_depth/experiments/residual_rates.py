"""Residual networks of L layers and M neurons against their mean-field limit: slopes in L and in M, before and after training."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from nnlimits import nn
from nnlimits.infinite_depth.mean_field_residual.convergence import ResidualErrors, Training, depth_errors, width_errors
from nnlimits.infinite_depth.mean_field_residual.law import ResidualLaw, last_features, padded
from nnlimits.infinite_depth.mean_field_residual.paths import TorusPaths
from nnlimits.infinite_depth.mean_field_residual.risk import ResidualRisk
from nnlimits.infinite_depth.mean_field_residual.unit import ResidualUnit
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore

FEATURES = 3
_EXAMPLES = 6


class RatesAtTime(NamedTuple):
    """All errors at one time of training."""

    risk: float
    """Of the network of the most layers and infinitely many neurons."""
    depth: ResidualErrors
    """Infinitely many neurons, by L; seeds are problems."""
    width_followed: ResidualErrors
    """By M, neurons followed through depth."""
    width_independent: ResidualErrors
    """By M, neurons drawn anew in each layer."""
    layers_followed: ResidualErrors
    """What M costs, by L."""
    layers_independent: ResidualErrors


class ResidualRates(NamedTuple):
    """Errors before and after training."""

    training: Training
    before: RatesAtTime
    after: RatesAtTime


def residual_rates(
    layers: Sequence[int] = (4, 8, 16, 32),
    widths: Sequence[int] = (4, 8, 16, 32, 64),
    *,
    seeds: int = 512,
    problems: int = 6,
    training: Training = Training(0.2, 40),
    seed: int = 0,
    advance: Advance = ignore,
) -> ResidualRates:
    """Six points of a circle and a function on it, by networks whose limit is known to rounding in M and to `L^-2` in L.

    **Arguments:** `layers`, the numbers L; `widths`, the numbers M; `seeds`, networks of each size; `problems`, families of
    paths over which errors of depth are a mean; `training`, by descent; `seed`, of the draws; `advance`, told of each size: in
    all there are `work(layers, widths)`.

    **Raises:** `ValueError` for numbers out of range; `RuntimeError` where training diverges.
    """
    as_integer("problems", 2, problems)
    if training.steps < 1:
        raise ValueError(f"training must have at least one step; received {training}")
    risk, law = problem()
    families = [TorusPaths(law.unit, seed=seed + i) for i in range(problems)]
    key = jax.random.key(seed)
    middle_layers, middle_width = layers[len(layers) // 2], widths[len(widths) // 2]
    by_width, by_layers = [(middle_layers, m) for m in widths], [(count, middle_width) for count in layers]

    def look(training: Training) -> RatesAtTime:
        depth = depth_errors(risk, law, families, layers, training, advance=advance)
        found = [
            width_errors(risk, law, families[0], sizes, key, training, draw=draw, seeds=seeds, advance=advance)
            for sizes in (by_width, by_layers)
            for draw in (TorusPaths.followed, TorusPaths.independent)
        ]
        return RatesAtTime(limit_risk(risk, law, families[0], max(layers), training), depth, *found)

    return ResidualRates(training, look(training._replace(steps=0)), look(training))


def work(layers: Sequence[int], widths: Sequence[int]) -> int:
    """How often `residual_rates` calls `advance`."""
    return 2 * (2 + 3 * len(layers) + 2 * len(widths))


def problem() -> tuple[ResidualRisk, ResidualLaw]:
    """The data, and the unit and ends of all networks."""
    angles = np.linspace(0, 2 * np.pi, _EXAMPLES, endpoint=False)
    x = np.stack([np.cos(angles), np.sin(angles)], 1)
    unit = ResidualUnit(nn.Tanh(), FEATURES)
    ends = padded(2, FEATURES, np.float64), last_features(FEATURES, 1, 2.0, np.float64)
    return ResidualRisk(x, np.sin(2 * angles) / 2 + 0.2), ResidualLaw(unit, np.zeros((1, 1, unit.parameters)), *ends)


def limit_risk(risk: ResidualRisk, law: ResidualLaw, paths: TorusPaths, layers: int, training: Training) -> float:
    """The risk of infinitely many neurons in `layers` layers after training."""
    from nnlimits.infinite_depth.mean_field_residual.descent import residual_descent

    start = law.moved(np.asarray(paths.at_labels(paths.grid(16), layers)))
    return float(residual_descent(risk, start, training.step, [training.steps]).risks[-1])
