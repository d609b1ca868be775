"""Lazy, catapult and divergent training: a two-layer linear network in closed form, and a ReLU network on digits.

    python examples/catapult_phases.py --folder results

Above the learning rate 2 / lambda_0, with the curvature lambda_0 before training, the loss first grows; training then lands
where the curvature is below 2 / learning rate. Two-layer linear networks diverge from 4 / lambda_0 on, ReLU networks later
(Lewkowycz et al. 2020). The curvature is the largest eigenvalue of the NTK over the number of targets.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits import datasets, nn, plots, training
from nnlimits.compute.progress import Progress

SMALLEST = 1e-4
"""What the figure shows of a loss, relative to the first, that has vanished."""

EARLY = 50
"""Steps in which the loss is thrown up, if it is."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=512, help="of the linear network")
    parser.add_argument("--relu-width", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=200, help="of the linear network")
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rates", type=int, default=24)
    parser.add_argument("--folder", type=Path, default=Path())
    options = parser.parse_args()
    linear = f"two-layer linear, width {options.width}"
    relu = f"ReLU on digits, width {options.relu_width}"
    measured, bound = {}, {}
    measured[linear] = closed_system(options)
    measured[relu], bound[relu] = relu_network(options)
    saved = plots.save(plots.catapult(measured, divergence=bound), options.folder / "catapult_phases")
    print(f"figure: {saved}")


def closed_system(options) -> plots.CatapultCurve:
    """Medians over initializations, each at multiples of 1 over its own curvature."""
    multiples = np.linspace(0.5, 4.4, options.rates)
    u, v = jax.random.normal(jax.random.key(0), (2, options.seeds, options.width))
    outputs, curvatures = (u * v).sum(1) / options.width**0.5, (u**2 + v**2).sum(1) / options.width

    def train(multiple, output, curvature):
        found = training.catapult(output, curvature, multiple / curvature, options.width, options.steps)
        end = found.curvatures[-1] * multiple / curvature
        return found.losses.max() / found.losses[0], end, found.losses[-1] / found.losses[0]

    over_seeds = jax.vmap(jax.vmap(train, in_axes=(None, 0, 0)), in_axes=(0, None, None))
    found = over_seeds(jnp.asarray(multiples, jnp.float32), outputs, curvatures)
    peak, end, last = (np.median(np.where(np.isfinite(a), a, np.inf), axis=1) for a in found)
    return diverged_hidden(plots.CatapultCurve(multiples, peak, end, np.maximum(last, SMALLEST)))


def relu_network(options) -> tuple[plots.CatapultCurve, float]:
    """One network at several rates, and the multiple at which it diverges."""
    digits, _ = datasets.digits(options.examples)
    layers = [layer for _ in range(2) for layer in (nn.Dense(options.relu_width, w_std=2**0.5), nn.Relu())]
    network = nn.Sequential(*layers, nn.Dense(10))
    key = jax.random.key(0)
    problem = training.Problem(network, network.init(key, (64,)), digits.x, digits.targets)
    curvature = training.phases(problem, key).curvature
    params = jax.tree.map(lambda leaf: leaf[None], problem.params)
    found = training.measured_thresholds(
        problem, params, lowest=1 / curvature, highest=32 / curvature, steps=100, bisections=4
    )
    rise, divergence = (float(rate[0]) * curvature for rate in found)
    print(
        f"ReLU network: curvature {curvature:.4g}, loss rises from {rise:.2f} / curvature, diverges from {divergence:.2f}"
    )
    multiples = np.linspace(0.5, 1.05 * divergence, options.rates)
    rows = []
    with Progress("ReLU network", len(multiples)) as bar:
        for multiple in multiples:
            rows.append(trained(problem, multiple / curvature, options.steps))
            bar.advance()
    return diverged_hidden(plots.CatapultCurve(multiples, *np.transpose(rows))), divergence


def trained(problem: training.Problem, rate: float, steps: int) -> tuple[float, float, float]:
    """The loss's peak and end over its first value, and the last curvature times the rate between them."""
    early = np.asarray(training.descent(problem, rate, np.arange(EARLY + 1), observe=lambda params: ()).losses)
    end = training.descent(problem, rate, [steps])
    if not end.losses[0] <= early[0]:
        return np.nan, np.nan, np.nan
    params = jax.tree.map(lambda leaf: leaf[0], end.observed)
    curvature = training.phases(problem.with_params(params), jax.random.key(1)).curvature
    return early.max() / early[0], curvature * rate, float(end.losses[0]) / early[0]


def diverged_hidden(curve: plots.CatapultCurve) -> plots.CatapultCurve:
    """Nothing where the loss ends above its first value."""
    kept = curve.loss <= 1
    return plots.CatapultCurve(curve.multiples, *(np.where(kept, field, np.nan) for field in curve[1:]))


if __name__ == "__main__":
    main()
