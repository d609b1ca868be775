"""Infinitely wide networks for classification."""

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from nnlimits.estimators import inputs
from nnlimits.estimators.base import InfiniteNet
from nnlimits.estimators.calibration import fit_temperature, probabilities

Array = Float[np.ndarray, "..."]


class InfiniteNetClassifier(ClassifierMixin, InfiniteNet):
    """Classification by an infinitely wide network."""

    classes_: np.ndarray
    temperature_: float

    def fit(self, X: Any, y: Any) -> "InfiniteNetClassifier":
        """Select the network, and learn from examples.

        **Arguments:** `X`, a table `(n, d)`; `y`, labels `(n,)`, of any kind.
        """
        x = inputs.features(self, X, reset=True)
        labels = self._encoded(y, len(x))
        one_hot = np.eye(len(self.classes_))[labels]
        self._prior = one_hot.mean(0)
        codes = (one_hot - self._prior) * len(self.classes_) / np.sqrt(len(self.classes_) - 1)
        self._learn(x, codes, labels)
        self.log_marginal_likelihood_ = self._learned.log_marginal_likelihood()
        self.temperature_ = fit_temperature(self._scores(self._learned.leave_one_out()), labels)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, `(m,)`."""
        return self.classes_[self.predict_proba(X).argmax(1)]

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class in the order of `classes_`, `(m, classes)`."""
        return probabilities(self._scores(self._learned.mean(self._query(X))), self.temperature_)

    def _scores(self, outputs: Array) -> Array:
        """Outputs of the network in the units of one-hot codes."""
        return outputs * np.sqrt(len(self.classes_) - 1) / len(self.classes_) + self._prior

    def _encoded(self, y: Any, n: int) -> np.ndarray:
        if y is None:
            raise ValueError("this estimator requires y to be passed, but the target y is None")
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        if len(y) != n:
            raise ValueError(
                f"X and y must have as many rows, inconsistent numbers of samples: X has {n}, y has {len(y)}"
            )
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y has one class only, {self.classes_[0]!r}; a classifier needs examples of at least two classes"
            )
        return labels
