"""Estimators compared by cross-validation on one data set."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from nnlimits import datasets
from nnlimits.cli import baselines, comparison
from nnlimits.cli.baselines import Builders
from nnlimits.cli.tabular import Table
from nnlimits.estimators import InfiniteNetClassifier, InfiniteNetRegressor

REGIMES = {"bayesian": "infinite network, Bayesian (NNGP)", "trained": "infinite network, trained (NTK)"}


class Validated(NamedTuple):
    """Held-out predictions of one estimator, for all rows."""

    scores: list[float]
    seconds: float
    values: Any


def contestants(table: Table, seed: int, network: Any = "auto") -> Builders:
    """The infinite networks of both regimes, and what they compete with, which sees inputs with positions as flat."""
    own = InfiniteNetRegressor if table.names is None else InfiniteNetClassifier
    others = baselines.regressors(seed) if table.names is None else baselines.classifiers(seed)
    infinite = {
        name: partial(own, network=network, regime=regime, random_state=seed) for regime, name in REGIMES.items()
    }
    return {**infinite, **{name: partial(_standardized, build) for name, build in others.items()}}


def validate(
    table: Table, builders: Builders, folds: int, seed: int, advance: Callable[[str], Any]
) -> dict[str, Validated]:
    """Predict each row from the folds it is not in.

    An estimator that cannot learn from some fold, because a class is too rare for it, has NaN for scores. The infinite networks
    are not excused.
    """
    results = {}
    for name, build in builders.items():
        advance(name)
        try:
            results[name] = _validate_one(table, build, _splits(table, folds, seed))
        except ValueError:
            if name in REGIMES.values():
                raise
            results[name] = Validated([np.nan] * 3, np.nan, None)
    return results


def possible_folds(table: Table, folds: int) -> int:
    """As many of `folds` as the rows allow, such that each training set has two classes.

    **Raises:** `ValueError` unless two classes have two rows or more: then one of each can be held out.
    """
    if table.names is None:
        return min(folds, len(table.x))
    counts = np.bincount(table.y)
    if (counts >= 2).sum() < 2:
        rare = table.names[int(counts.argmin())]
        raise ValueError(
            f"cross-validation needs two classes of two rows or more; of the {len(table.x)} rows it is given, the class "
            f"{datasets.shown(rare)} has {counts.min()}; give more rows, or merge rare classes"
        )
    return min(folds, int(counts.max()))


def best_regime(results: dict[str, Validated]) -> str:
    """The regime whose held-out predictions are more probable."""
    return min(REGIMES, key=lambda regime: results[REGIMES[regime]].scores[1])


def learn(table: Table, regime: str, seed: int, network: Any = "auto") -> Any:
    """An infinite network that has learned from all rows."""
    options = {"network": network, "regime": regime, "random_state": seed}
    if table.names is None:
        return InfiniteNetRegressor(**options).fit(table.x, table.y)
    return InfiniteNetClassifier(**options).fit(table.x, table.names[table.y])


def _validate_one(table: Table, build: Callable[[], Any], splits: list[tuple[np.ndarray, np.ndarray]]) -> Validated:
    classes = 2 if table.names is None else len(table.names)
    values, seconds = np.zeros((len(table.x), classes)), 0.0
    predict = comparison.regress if table.names is None else partial(comparison.classify, classes=classes)
    for train, test in splits:
        arguments = build, table.x[train], table.y[train], table.x[test]
        predictions = predict(*arguments)
        values[test], seconds = predictions.values, seconds + predictions.seconds
    score = comparison.regression_scores if table.names is None else comparison.classification_scores
    return Validated(score(table.y, values), seconds, values)


def _splits(table: Table, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    kind = KFold if table.names is None else StratifiedKFold
    with comparison.quiet():  # stratified folds warn of classes with fewer rows than folds
        return list(kind(folds, shuffle=True, random_state=seed).split(table.x, table.y))


def _standardized(build: Callable[[], Any]) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    return make_pipeline(FunctionTransformer(_flat), StandardScaler(), build())


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)
