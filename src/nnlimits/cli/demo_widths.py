"""The first half of the demonstration: networks of growing width, and the infinite one."""

from typing import Any, NamedTuple

import numpy as np

import nnlimits as nl
from nnlimits import datasets, nn, presets
from nnlimits.cli.console import Stages
from nnlimits.cli.tables import Column, numbers
from nnlimits.plots import Rate, fit_rate
from nnlimits.training import width_sweep
from nnlimits.training.width_sweep import Problem, Theory, WidthResult

STEPS = (0, 1, 2, 5, 10, 20, 50, 100)
COMPARED_STEPS = (5, 20, 100)
"""Three times at which the ensemble's mean and spread are held against theory."""
RATE_FRACTION = 0.15
"""Of the largest stable learning rate: the largest eigenvalue of a network of width 32 is up to five times the limit's."""
TEST_IMAGES = 200


def network(width: int) -> nn.Layer:
    """Two hidden ReLU layers and ten outputs."""
    return presets.mlp(depth=2, width=width, outputs=10)


class Study(NamedTuple):
    """All that was computed."""

    problem: Problem
    labels: Any
    """Of the test images."""
    theory: Theory
    results: list[WidthResult]
    seeds: int

    @property
    def widths(self) -> list[int]:
        """Those that were trained."""
        return [result.width for result in self.results]

    @property
    def distances(self) -> dict[str, np.ndarray]:
        """By what they are distances from: `(widths, seeds)`."""
        return {
            "from the infinite network that started alike": np.stack([r.from_infinite for r in self.results]),
            "from its own linearization": np.stack([r.from_linearization for r in self.results]),
        }

    @property
    def rates(self) -> dict[str, Rate]:
        """Fitted power laws of the distances in the width."""
        return {name: fit_rate(self.widths, values) for name, values in self.distances.items()}

    def numbers(self) -> dict[str, Any]:
        """For a file: distances and rates."""
        return {
            "train_images": len(self.problem.x),
            "seeds": self.seeds,
            "steps": list(self.problem.steps),
            "learning_rate": self.problem.learning_rate,
            "widths": self.widths,
            "distances": {name: values.mean(1).tolist() for name, values in self.distances.items()},
            "rates": {name: {"slope": r.slope, "error": r.error} for name, r in self.rates.items()},
            "moments": [dict(zip(("step", *MOMENT_NAMES), row, strict=True)) for row in moments(self)],
        }


def run(stages: Stages, widths: list[int], seeds: int, images: int, seed: int) -> Study:
    """Predict, then train."""
    with stages.stage(f"theory: the infinitely wide network on {images} digits"):
        train, test = datasets.digits(images, seed=seed)
        kernel = nl.kernel(network(1))
        rate = RATE_FRACTION * float(nl.max_learning_rate(kernel, train.x, n_outputs=10))
        problem = Problem(train.x, train.targets, test.x[:TEST_IMAGES], rate, STEPS)
        theory = width_sweep.theory(network(1), problem)
    title = f"training {seeds} networks of each width, {widths[0]} to {widths[-1]}"
    with stages.stage(title, total=2 * len(widths)) as advance:
        keys = width_sweep.keys(seed, seeds)
        results = [width_sweep.train_width(network, width, keys, problem, advance) for width in widths]
    return Study(problem, test.labels[:TEST_IMAGES], theory, results, seeds)


MOMENT_NAMES = ("loss, theory", "loss", "mean, distance", "mean, chance", "spread, theory", "spread", "spread, error")


def moments(study: Study) -> list[list[int | float]]:
    """The widest networks against theory at three times; one row a time, of the step and `MOMENT_NAMES`.

    The ensemble's mean differs from theory's by chance, in root mean square by theory's spread over the root of the number of
    networks. The ten outputs are independent at infinite width, so the spread among their own estimates gives its error.
    """
    theory, outputs = study.theory, study.results[-1].training
    rows = []
    for step in COMPARED_STEPS:
        i = study.problem.steps.index(step)
        loss = float(((outputs.train[:, i] - study.problem.y) ** 2).mean() / 2)
        difference = outputs.test[:, i].mean(0) - theory.mean[i]
        variance = outputs.test[:, i].var(0, ddof=1).mean(0)
        expected = float((theory.std[i] ** 2).mean())
        spread = float(variance.mean() ** 0.5)
        rows.append(
            [
                step,
                float(theory.train_loss[i]),
                loss,
                float((difference**2).mean() ** 0.5),
                (expected / study.seeds) ** 0.5,
                expected**0.5,
                spread,
                float(variance.std(ddof=1) / len(variance) ** 0.5 / (2 * spread)),
            ]
        )
    return rows


def show(out: Any, study: Study) -> None:
    """Print what was found, with a sentence for each table."""
    n, widest = len(study.problem.x), study.results[-1].width
    out.print(f"\n[bold]1  Finite networks and their limit[/bold], on {n} handwritten digits of 8 x 8 pixels")
    out.print(
        f"{study.seeds} networks of each width, {network(widest)!r} and narrower, take {study.problem.steps[-1]} steps of "
        f"full-batch gradient descent on squared error. Distances are root mean squares over the outputs on "
        f"{len(study.labels)} other images; a target is 0.9 for the right class and -0.1 for another.\n"
    )
    columns = [Column(name, ".4f") for name in study.distances]
    rows = [
        (f"{width}", [values[i].mean() for values in study.distances.values()]) for i, width in enumerate(study.widths)
    ]
    out.print(numbers("Distance of a trained network", "width", columns, rows))
    for name, rate in study.rates.items():
        out.print(f"Distance {name}: width^({rate.slope:.2f} ± {rate.error:.2f}).")
    out.print("[dim]Theory promises that both vanish as width^(-1/2), or faster, once networks are wide.[/dim]\n")
    headings = "loss,\ntheory", "loss", "mean,\ndistance", "mean,\nchance", "spread,\ntheory", "spread", "±"
    columns = [Column(heading, ".3f") for heading in headings]
    title = f"The {study.seeds} networks of width {widest} as an ensemble, through training"
    out.print(numbers(title, "step", columns, [(f"{row[0]}", row[1:]) for row in moments(study)]))
    out.print(
        "[dim]Loss: on the training images. Mean: on the test images, its distance from theory's, and how much of that so few "
        "networks leave to chance. Spread: how far the networks are from one another on the test images, as a standard deviation "
        "with the standard error of its estimate.[/dim]"
    )
