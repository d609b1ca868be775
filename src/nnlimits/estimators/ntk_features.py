"""Infinitely wide networks for data too large for a Gram matrix, by features of their kernels."""

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import ClassifierMixin, RegressorMixin

from nnlimits.estimators import inputs
from nnlimits.estimators.calibration import fit_temperature, probabilities
from nnlimits.estimators.feature_ridge import PARAMETERS, FeatureRidge, precision
from nnlimits.random_features.ridge_regression import RidgeSolution

Array = Float[np.ndarray, "..."]


class NTKFeatureRegressor(RegressorMixin, FeatureRidge):
    """Regression by an infinitely wide network, in time and memory that do not need the Gram matrix.

    Ridge regression on features of the network's NTK or NNGP, random ones (Zandieh et al. 2021; Han et al. 2022) or Nystrom's,
    which is kernel ridge regression with the kernel of the features: the exact kernel, to a measured error. All that is kept of
    the examples is the covariance of their features, so they may come in batches.
    """

    _vector: bool

    def fit(self, X: Any, y: Any) -> "NTKFeatureRegressor":
        """Learn from examples, and forget those of before.

        **Arguments:** `X`, an array or data frame `(n, d)` of numbers, or an array `(n, *positions, channels)` of images or
        sequences; `y`, targets `(n,)` or `(n, outputs)`.

        **Raises:** `ValueError` for a parameter out of range, too few features for the network, NaN (with its place), a column
        that is not numeric (by its name), or shapes that do not match; `NotImplementedError` for a layer without random features.
        """
        self._learn(X, y, first=True, landmarks=1)
        self._solved()
        return self

    def partial_fit(self, X: Any, y: Any) -> "NTKFeatureRegressor":
        """Learn from more examples, which may come in any batches and order.

        Weights are found when they are next needed. The first batch says how features are standardised.

        **Arguments:** and **Raises:** as `fit`.
        """
        self._learn(X, y, first=not self._is_begun(), landmarks=self.n_features)
        return self

    def predict(self, X: Any) -> Array:
        """Predictions, `(m,)` or `(m, outputs)`.

        **Raises:** `ValueError` for features unlike those of `fit`.
        """
        outputs = self._outputs(X)
        return outputs[:, 0] if self._vector else outputs

    def _learn(self, X: Any, y: Any, *, first: bool, landmarks: int) -> None:
        self._check_parameters()
        x = inputs.features(self, X, reset=first)
        y = inputs.targets(y, len(x))
        table = y.reshape(len(y), -1)
        if first:
            self._begin(x, table.shape[1], precision(X), landmarks)
            self._vector = y.ndim == 1
        elif table.shape[1] != self._statistics.n_outputs:
            raise ValueError(f"y must have {self._statistics.n_outputs} outputs, as before; received {table.shape[1]}")
        self._add(x, table)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class NTKFeatureClassifier(ClassifierMixin, FeatureRidge):
    """Classification by an infinitely wide network, in time and memory that do not need the Gram matrix.

    Ridge regression of one-hot codes on features of the network's NTK or NNGP, random ones (Zandieh et al. 2021; Han et al.
    2022) or Nystrom's, which is kernel ridge regression with the kernel of the features: the exact kernel, to a measured error.
    All that is kept of the examples is the covariance of their features, and 1,000 of them for calibration, so they may come in
    batches.
    Probabilities are the softmax of the outputs at a temperature fitted to leave-one-out predictions (Guo et al. 2017).
    """

    classes_: np.ndarray

    def fit(self, X: Any, y: Any) -> "NTKFeatureClassifier":
        """Learn from examples, and forget those of before.

        **Arguments:** `X`, an array or data frame `(n, d)` of numbers, or an array `(n, *positions, channels)` of images or
        sequences; `y`, labels `(n,)` of any kind.

        **Raises:** `ValueError` for a parameter out of range, too few features for the network, one class only, NaN (with its
        place), a column that is not numeric (by its name), or shapes that do not match; `NotImplementedError` for a layer without
        random features.
        """
        self._check_parameters()
        x = inputs.features(self, X, reset=True)
        self.classes_, labels = inputs.classes_and_labels(y, len(x))
        self._begin(x, len(self.classes_), precision(X), 1)
        self._add(x, np.eye(len(self.classes_))[labels])
        self._solved()
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> "NTKFeatureClassifier":
        """Learn from more examples, which may come in any batches and order.

        Weights are found when they are next needed. The first batch says how features are standardised.

        **Arguments:** as `fit`; `classes`, all classes that will come, needed in the first call.

        **Raises:** as `fit`; `ValueError` for labels that are none of the classes, by name.
        """
        self._check_parameters()
        first = not self._is_begun()
        if first and classes is None:
            raise ValueError("classes must be given in the first call of partial_fit: all labels that will come")
        known = np.unique(classes) if classes is not None else self.classes_
        if not first and not np.array_equal(known, self.classes_):
            raise ValueError(f"classes must be those of the first call, {self.classes_}; received {classes!r}")
        x = inputs.features(self, X, reset=first)
        labels = _numbered(y, known, len(x))
        if first:
            self.classes_ = known
            self._begin(x, len(known), precision(X), self.n_features)
        self._add(x, np.eye(len(known))[labels])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, `(m,)`."""
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(1)]

    def decision_function(self, X: Any) -> Array:
        """Estimates of the one-hot codes, `(m, classes)`; of two classes, the second less the first, `(m,)`."""
        outputs = self._outputs(X)
        return outputs[:, 1] - outputs[:, 0] if len(self.classes_) == 2 else outputs

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class in the order of `classes_`, `(m, classes)`.

        **Raises:** `ValueError` for features unlike those of `fit`.
        """
        return probabilities(self._outputs(X), self.temperature_)

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of `predict_proba`."""
        return np.log(np.maximum(self.predict_proba(X), np.finfo(np.float64).tiny))

    @property
    def temperature_(self) -> float:
        """That of the probabilities."""
        return self._solved().calibration

    def _calibrate(self, solution: RidgeSolution) -> float:
        scores, codes = self._left_out(solution)
        return fit_temperature(scores, codes.argmax(1))


def _numbered(y: Any, classes: np.ndarray, n: int) -> np.ndarray:
    """The number of each label's class."""
    if y is None:
        raise ValueError("this estimator requires y to be passed, but the target y is None")
    inputs.check_no_label_is_missing(y)
    y = np.asarray(y)
    if y.shape != (n,):
        raise ValueError(f"y must have shape ({n},), a label for each row of X; received {y.shape}")
    if len(classes) < 2:
        raise ValueError(f"classes must be two or more; received {classes.tolist()}")
    strange = ~np.isin(y, classes)
    if strange.any():
        raise ValueError(
            f"y has the label {y[strange].tolist()[0]!r} at row {int(strange.argmax())}, which is none of the "
            f"classes {classes.tolist()}"
        )
    return np.searchsorted(classes, y)


for _estimator in (NTKFeatureRegressor, NTKFeatureClassifier):
    _estimator.__doc__ = f"{_estimator.__doc__}\n{PARAMETERS}"
