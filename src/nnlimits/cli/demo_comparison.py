"""The second half of the demonstration: infinite networks beside the estimators that people would otherwise use."""

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

import nnlimits as nl
from nnlimits import datasets, nn, report
from nnlimits.cli import baselines, comparison
from nnlimits.cli.comparison import Predictions
from nnlimits.cli.console import Stages
from nnlimits.cli.networks import with_outputs
from nnlimits.cli.tables import numbers
from nnlimits.estimators import InfiniteNetClassifier
from nnlimits.estimators.calibration import probabilities
from nnlimits.training import train_ensemble

FINITE_WIDTH, FINITE_NETWORKS, FINITE_STEPS = 512, 4, 200
RATE_FRACTION = 0.5
NNGP = "infinite network, Bayesian (NNGP)"
NTK = "infinite network, trained (NTK)"
SAME = f"infinite network, {FINITE_STEPS} steps"
_CLASSIFIER: Any = InfiniteNetClassifier
FINITE = f"{FINITE_NETWORKS} networks of width {FINITE_WIDTH}, {FINITE_STEPS} steps"


class Comparison(NamedTuple):
    """Predictions of all estimators for the same test images."""

    n_train: int
    labels: Any
    predictions: dict[str, Predictions]

    @property
    def scores(self) -> dict[str, list[float]]:
        """Accuracy, negative log-likelihood and calibration error, by estimator."""
        return {name: comparison.classification_scores(self.labels, p.values) for name, p in self.predictions.items()}

    @property
    def reliabilities(self) -> dict[str, report.Reliability]:
        """Confidence against accuracy, by estimator."""
        return {name: report.reliability(self.labels, p.values) for name, p in self.predictions.items()}

    def numbers(self) -> dict[str, Any]:
        """For a file."""
        names = [column.heading for column in comparison.CLASSIFICATION]
        scores = {name: dict(zip(names, values, strict=True)) for name, values in self.scores.items()}
        return {"train_images": self.n_train, "test_images": len(self.labels), "estimators": scores}


def run(stages: Stages, n_train: int, seed: int) -> Comparison:
    """Train all, on the same images."""
    train, test = datasets.digits(n_train, seed=seed)
    x, labels, x_test = train.x.astype(np.float64), train.labels, test.x.astype(np.float64)
    common = partial(_CLASSIFIER, standardize=False, random_state=seed, depth=(1, 2), selection_rows=300)
    others = baselines.classifiers(seed)
    with stages.stage(f"comparing estimators on {n_train} digits", total=4 + len(others)) as advance:
        fit = partial(comparison.classify, x=x, labels=labels, x_test=x_test, classes=10)
        predictions = {NNGP: fit(partial(common, regime="bayesian"))}
        advance(NTK)
        predictions[NTK] = fit(partial(common, regime="trained"))
        advance(SAME)
        predictions[SAME], predictions[FINITE] = _same_network(
            predictions[NTK].estimator.network_, fit, train, test, seed
        )
        advance("")
        for name, build in others.items():
            advance(name)
            predictions[name] = fit(build)
    return Comparison(n_train, test.labels, predictions)


def _same_network(network: nn.Layer, fit: Any, train: Any, test: Any, seed: int) -> tuple[Predictions, Predictions]:
    """The network that was selected, infinite and finite, after equally many steps of gradient descent."""
    rate = RATE_FRACTION * float(nl.max_learning_rate(nl.kernel(network), train.x.astype(np.float64), n_outputs=10))
    infinite = fit(
        partial(
            _CLASSIFIER,
            network,
            w_std=None,
            b_std=None,
            noise=0.0,
            select=None,
            regime="trained",
            time=rate * FINITE_STEPS,
            standardize=False,
        )
    )
    return infinite, _finite(network, infinite.estimator, rate, train, test, seed)


def _finite(network: nn.Layer, infinite: Any, rate: float, train: Any, test: Any, seed: int) -> Predictions:
    """The mean of a few finite networks, trained on the classifier's own codes, at the temperature that theory found."""
    import time

    start = time.perf_counter()
    prior = np.eye(10)[train.labels].mean(0)
    scale = 10 / 3
    finite = with_outputs(nn.with_width(network, FINITE_WIDTH), 10)
    codes = ((np.eye(10)[train.labels] - prior) * scale).astype(np.float32)
    keys = jax.random.split(jax.random.key(seed), FINITE_NETWORKS)
    trained = train_ensemble(finite, keys, train.x, codes, learning_rate=rate, steps=[FINITE_STEPS], x_test=test.x)
    scores = trained.test[:, 0].mean(0).astype(np.float64) / scale + prior
    values = probabilities(scores, infinite.temperature_)
    return Predictions(values, time.perf_counter() - start, None)


def show(out: Any, table: Comparison) -> None:
    """Print the table, and how to read it."""
    out.print(
        f"\n[bold]2  Predictions on digits not seen[/bold]: {table.n_train} for training, {len(table.labels)} for testing\n"
    )
    columns = [*comparison.CLASSIFICATION, comparison.SECONDS]
    rows = [(name, [*table.scores[name], p.seconds]) for name, p in table.predictions.items()]
    out.print(numbers("Estimators on the same images", "estimator", columns, rows))
    best = max(scores[0] for scores in table.scores.values())
    error = 1.96 * (2 * best * (1 - best) / len(table.labels)) ** 0.5  # of a difference of two proportions
    out.print(
        f"[dim]NLL is the negative log-likelihood, the mean of -log(probability of the right class): lower is better. "
        f"Calibration error is the mean gap between confidence and accuracy. Accuracies that differ by less than about "
        f"{error:.3f} differ by chance. The third row is what theory predicts for the fourth.[/dim]"
    )
