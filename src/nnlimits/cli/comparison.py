"""Several estimators on the same data: the table that `demo` and `fit` print."""

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from nnlimits import report
from nnlimits.cli.tables import Column

CLASSIFICATION = (
    Column("accuracy", ".4f", max),
    Column("NLL", ".4f", min),
    Column("calibration error", ".4f", min),
)
REGRESSION = (Column("RMSE", ".4g", min), Column("NLL", ".4f", min), Column("coverage of 95 %", ".3f"))
SECONDS = Column("seconds", ".1f")


class Predictions(NamedTuple):
    """What one estimator says of held-out examples: class probabilities, or means and standard deviations, as columns."""

    values: Float[np.ndarray, "n columns"]
    seconds: float
    estimator: Any


def classify(
    build: Callable[[], Any], x: np.ndarray, labels: np.ndarray, x_test: np.ndarray, classes: int
) -> Predictions:
    """Train on `x` and `labels` (0, 1, ...), and give probabilities of all `classes` at `x_test`: zero for one not seen."""
    start = time.perf_counter()
    with quiet():
        estimator = build().fit(x, labels)
        found = estimator.predict_proba(x_test)
    values = np.zeros((len(x_test), classes))
    values[:, estimator.classes_] = found
    return Predictions(values, time.perf_counter() - start, estimator)


def regress(build: Callable[[], Any], x: np.ndarray, y: np.ndarray, x_test: np.ndarray) -> Predictions:
    """Train on `x` and `y`, and give means and standard deviations of new observations at `x_test`."""
    start = time.perf_counter()
    with quiet():
        estimator = build().fit(x, y)
        mean, std = estimator.predict(x_test, return_std=True)
    return Predictions(np.stack([mean, std], axis=1), time.perf_counter() - start, estimator)


def classification_scores(labels: np.ndarray, values: Float[np.ndarray, "n classes"]) -> list[float]:
    """Accuracy, negative log-likelihood and expected calibration error."""
    scores = report.accuracy, report.negative_log_likelihood, report.expected_calibration_error
    return [score(labels, values) for score in scores]


def regression_scores(y: np.ndarray, values: Float[np.ndarray, "n columns"]) -> list[float]:
    """Root mean squared error, negative log-likelihood, and coverage of the central 95 % interval."""
    mean, std = values.T
    return [
        report.root_mean_squared_error(y, mean),
        report.gaussian_negative_log_likelihood(y, mean, std),
        report.coverage(y, mean, std),
    ]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Estimators do not warn of bounds reached or iterations used up, as the table shows what came of it.

    OpenMP is held to one thread: on a busy machine its threads spend far longer waiting for one another than they save.
    """
    with warnings.catch_warnings(), threadpool_limits(1, user_api="openmp"):
        warnings.simplefilter("ignore")
        yield
