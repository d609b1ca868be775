"""Infinitely wide networks for classification."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from nnlimits.estimators import inputs
from nnlimits.estimators.base import PARAMETERS, InfiniteNet
from nnlimits.estimators.calibration import fit_temperature, probabilities

Array = Float[np.ndarray, "..."]


class InfiniteNetClassifier(ClassifierMixin, InfiniteNet):
    """Classification by an infinitely wide network, with calibrated probabilities.

    The network has one output a class, and learns one-hot codes as regression targets (Lee et al. 2018, section 3; Arora et
    al. 2020). Probabilities are the softmax of its outputs at a temperature that is fitted to leave-one-out predictions of the
    training examples (Guo et al. 2017; Rasmussen & Williams 2006, section 5.4.2).
    """

    classes_: np.ndarray
    temperature_: float
    _prior: Float[np.ndarray, " classes"]

    def fit(self, X: Any, y: Any) -> "InfiniteNetClassifier":
        """Select the network, and learn from examples.

        **Arguments:** `X`, an array or data frame `(n, d)` of numbers, or an array `(n, *positions, channels)` of images,
        sequences or graphs, or of whatever the network takes; `y`, labels `(n,)` of any kind.

        **Raises:** `ValueError` for a parameter out of range, one class only, NaN (with its place), a column that is not numeric
        (by its name), shapes that do not match, or a Gram matrix that cannot be solved with.
        """
        self._check_parameters()
        x = inputs.features(self, X, reset=True)
        self.classes_, labels = inputs.classes_and_labels(y, len(x))
        one_hot = np.eye(len(self.classes_))[labels]
        self._prior = one_hot.mean(0)
        self._learn(x, (one_hot - self._prior) / self._unit(), labels)
        self.log_marginal_likelihood_ = self._learned.log_marginal_likelihood()
        self.temperature_ = fit_temperature(self._scores(self._learned.leave_one_out().mean), labels)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, `(m,)`."""
        probability = self.predict_proba(X)
        return self.classes_[probability.argmax(1)]

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class in the order of `classes_`, `(m, classes)`.

        **Raises:** `ValueError` for features unlike those of `fit`.
        """
        check_is_fitted(self)
        scores = self._scores(self._learned.mean(self._query(X)))
        return probabilities(scores, self.temperature_)

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of `predict_proba`."""
        return np.log(np.maximum(self.predict_proba(X), np.finfo(np.float64).tiny))

    def _unit(self) -> float:
        """The root mean square of centred one-hot codes of as many equally frequent classes."""
        classes = len(self.classes_)
        return math.sqrt(classes - 1) / classes

    def _scores(self, outputs: Array) -> Array:
        """Outputs of the network as estimates of one-hot codes."""
        return outputs * self._unit() + self._prior


InfiniteNetClassifier.__doc__ = f"{InfiniteNetClassifier.__doc__}\n{PARAMETERS}"
