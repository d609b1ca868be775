"""Training at many learning rates: the closed system of the two-layer linear network, and a network on data."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits import nn, plots, training
from nnlimits.cli.networks import with_outputs
from nnlimits.training.curvature import gauss_newton_product, leading_pairs

WIDTH, SEEDS = 512, 200
"""Of the two-layer linear networks."""
SMALLEST = 1e-4
"""What the figure shows of a loss, relative to the first, that has vanished."""
EARLY = 50
"""Steps in which the loss is thrown up, if it is."""
FARTHEST = 32.0
"""Multiple of 1 / curvature up to which divergence is looked for."""


class Measured(NamedTuple):
    """A network at many learning rates; thresholds in multiples of 1 / curvature."""

    curve: plots.CatapultCurve
    curvature: float
    rise: float
    divergence: float


def closed_system(rates: int, steps: int, seed: int) -> plots.CatapultCurve:
    """Medians over initializations, each at multiples of 1 over its own curvature."""
    multiples = np.linspace(0.5, 4.4, rates)
    u, v = jax.random.normal(jax.random.key(seed), (2, SEEDS, WIDTH))
    outputs, curvatures = (u * v).sum(1) / WIDTH**0.5, (u**2 + v**2).sum(1) / WIDTH

    def train(multiple: Any, output: Any, curvature: Any) -> tuple[Any, Any, Any]:
        found = training.catapult(output, curvature, multiple / curvature, WIDTH, steps)
        end = found.curvatures[-1] * multiple / curvature
        return found.losses.max() / found.losses[0], end, found.losses[-1] / found.losses[0]

    over_seeds = jax.vmap(jax.vmap(train, in_axes=(None, 0, 0)), in_axes=(0, None, None))
    found = over_seeds(jnp.asarray(multiples, jnp.float32), outputs, curvatures)
    peak, end, last = (np.median(np.where(np.isfinite(a), a, np.inf), axis=1) for a in found)
    return _diverged_hidden(plots.CatapultCurve(multiples, peak, end, np.maximum(last, SMALLEST)))


def of_network(
    net: nn.Layer, sample: Any, rates: int, steps: int, seed: int, advance: Callable[[str], Any]
) -> Measured:
    """One finite network on data; its thresholds, and training at rates up to where it diverges."""
    x, y = (np.asarray(array, np.float32) for array in (sample.x, sample.y))
    network, key = with_outputs(net, y.shape[1]), jax.random.key(seed)
    problem = training.Problem(network, network.init(key, x.shape[1:], dtype=np.float32), x, y)
    curvature = training.phases(problem, key).curvature
    params = jax.tree.map(lambda leaf: leaf[None], problem.params)
    found = training.measured_thresholds(
        problem, params, lowest=1 / curvature, highest=FARTHEST / curvature, steps=steps, bisections=4
    )
    rise, divergence = (float(rate[0]) * curvature for rate in found)
    multiples = np.linspace(0.5, 1.05 * min(divergence, FARTHEST), rates)
    rows = []
    for multiple in multiples:
        advance(f"rate {multiple:.2f} / curvature")
        rows.append(_trained(problem, float(multiple) / curvature, steps))
    return Measured(_diverged_hidden(plots.CatapultCurve(multiples, *np.transpose(rows))), curvature, rise, divergence)


def _trained(problem: training.Problem, rate: float, steps: int) -> tuple[float, float, float]:
    """The loss's peak and end over its first value, and the last curvature times the rate between them."""
    early = np.asarray(
        training.descent(problem, rate, np.arange(min(EARLY, steps) + 1), observe=lambda params: ()).losses
    )
    end = training.descent(problem, rate, [steps])
    if not end.losses[0] <= early[0]:
        return np.nan, np.nan, np.nan
    trained = problem.with_params(jax.tree.map(lambda leaf: leaf[0], end.observed))
    with problem.precision():  # zero, where all units of a layer have died
        curvature = float(leading_pairs(trained, gauss_newton_product, 1, jax.random.key(1))[0][0])
    peak, last = float(early.max() / early[0]), float(end.losses[0] / early[0])
    return peak, curvature * rate, max(last, SMALLEST)


def _diverged_hidden(curve: plots.CatapultCurve) -> plots.CatapultCurve:
    """Nothing where the loss ends above its first value, or where units have died, so that nothing has a slope."""
    kept = (curve.loss <= 1) & (curve.curvature > 0)
    return plots.CatapultCurve(curve.multiples, *(np.where(kept, field, np.nan) for field in curve[1:]))
