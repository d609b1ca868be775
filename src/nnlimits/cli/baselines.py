"""The estimators that people would otherwise use, tuned as they would tune them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.svm import SVC, SVR

from nnlimits.estimators.calibration import fit_temperature, probabilities

Builders = Mapping[str, Callable[[], Any]]
"""Estimators to make, by name."""

SELECTION_ROWS = 500
"""Rows on which the Gaussian process selects its scales, as many as the infinite networks use."""


def classifiers(seed: int) -> Builders:
    """Classifiers with `predict_proba`. They expect features of comparable scale."""
    svm = {"C": [1.0, 10.0, 100.0], "gamma": ["scale"]}
    logistic = {"C": [0.01, 0.1, 1.0, 10.0]}
    return {
        "SVM, RBF kernel": lambda: TemperatureScaled(GridSearchCV(SVC(random_state=seed), svm, cv=3)),
        "Gaussian process, RBF kernel": lambda: LabelRegressionGaussianProcess(random_state=seed),
        "random forest": lambda: RandomForestClassifier(300, random_state=seed, n_jobs=2),
        "gradient boosting": lambda: HistGradientBoostingClassifier(random_state=seed),
        "logistic regression": lambda: GridSearchCV(
            LogisticRegression(max_iter=2000), logistic, cv=3, scoring="neg_log_loss"
        ),
    }


def regressors(seed: int) -> Builders:
    """Regressors with `predict(X, return_std=True)`. They expect features of comparable scale."""
    svm = {"C": [0.1, 1.0, 10.0, 100.0], "gamma": ["scale"]}
    return {
        "SVM, RBF kernel": lambda: WithResidualSpread(GridSearchCV(ScaledTarget(SVR()), _nested(svm), cv=3)),
        "Gaussian process, RBF kernel": lambda: RbfGaussianProcess(random_state=seed),
        "random forest": lambda: WithResidualSpread(RandomForestRegressor(300, random_state=seed, n_jobs=2)),
        "gradient boosting": lambda: WithResidualSpread(HistGradientBoostingRegressor(random_state=seed)),
        "ridge regression": lambda: WithResidualSpread(RidgeCV(np.logspace(-3, 4, 15))),
    }


def _nested(grid: dict[str, Any]) -> dict[str, Any]:
    return {f"estimator__{name}": values for name, values in grid.items()}


class TemperatureScaled(ClassifierMixin, BaseEstimator):
    """A classifier with a decision function, given probabilities: their softmax, at the temperature of the least loss.

    The temperature is found on cross-validated decisions (Guo et al. 2017).
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any) -> "TemperatureScaled":
        """Fit the classifier, and the temperature by 3-fold cross-validation."""
        self.classes_, labels = np.unique(y, return_inverse=True)
        decisions = cross_val_predict(self.estimator, X, labels, cv=3, method="decision_function")
        self.temperature_ = fit_temperature(_one_for_each_class(decisions), labels)
        self.estimator_ = clone(self.estimator).fit(X, labels)
        return self

    def predict_proba(self, X: Any) -> Float[np.ndarray, "n classes"]:
        """Class probabilities."""
        return probabilities(_one_for_each_class(self.estimator_.decision_function(X)), self.temperature_)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class."""
        return self.classes_[self.predict_proba(X).argmax(1)]


def _one_for_each_class(decisions: np.ndarray) -> np.ndarray:
    return np.stack([-decisions, decisions], axis=1) / 2 if decisions.ndim == 1 else decisions


class ScaledTarget(RegressorMixin, BaseEstimator):
    """A regressor that is trained on standardised targets."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any) -> "ScaledTarget":
        """Fit to `(y - mean) / deviation`."""
        self.mean_, self.scale_ = float(np.mean(y)), float(np.std(y)) or 1.0
        self.estimator_ = clone(self.estimator).fit(X, (y - self.mean_) / self.scale_)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predictions in the units of the targets."""
        return self.estimator_.predict(X) * self.scale_ + self.mean_


class WithResidualSpread(RegressorMixin, BaseEstimator):
    """A regressor without uncertainty, given the root mean square of its cross-validated residuals as one for all."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any) -> "WithResidualSpread":
        """Fit, and measure the spread of residuals by 3-fold cross-validation."""
        folds = KFold(3, shuffle=True, random_state=0)
        self.spread_ = float(np.sqrt(np.mean((cross_val_predict(self.estimator, X, y, cv=folds) - y) ** 2)))
        self.estimator_ = clone(self.estimator).fit(X, y)
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predictions, and with `return_std` their standard deviation."""
        mean = self.estimator_.predict(X)
        return (mean, np.full(len(mean), self.spread_)) if return_std else mean


class RbfGaussianProcess(RegressorMixin, BaseEstimator):
    """scikit-learn's Gaussian process with an RBF kernel and noise, its scales selected on some rows by the evidence."""

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "RbfGaussianProcess":
        """Select the scales on at most `SELECTION_ROWS` rows, then condition on all."""
        rows = np.random.default_rng(self.random_state).permutation(len(X))[:SELECTION_ROWS]
        width = np.sqrt(X.shape[1])
        kernel = ConstantKernel(1.0, (1e-3, 1e4)) * RBF(width, (1e-2 * width, 1e3 * width)) + WhiteKernel(
            0.1, (1e-6, 1e1)
        )
        selected = GaussianProcessRegressor(kernel, normalize_y=True).fit(X[rows], y[rows])
        self.process_ = GaussianProcessRegressor(selected.kernel_, normalize_y=True, optimizer=None).fit(X, y)
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The predictive mean, and with `return_std` the standard deviation of an observation."""
        return self.process_.predict(X, return_std=return_std)


class LabelRegressionGaussianProcess(ClassifierMixin, BaseEstimator):
    """A Gaussian process with an RBF kernel that regresses on one-hot labels, as the infinite networks do.

    Probabilities are the softmax of its outputs at the temperature of the least leave-one-out loss.
    """

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "LabelRegressionGaussianProcess":
        """Fit the process and the temperature."""
        self.classes_, labels = np.unique(y, return_inverse=True)
        codes = np.eye(len(self.classes_))[labels]
        self.process_ = RbfGaussianProcess(self.random_state).fit(X, codes)
        self.temperature_ = fit_temperature(self._leave_one_out(codes), labels)
        return self

    def predict_proba(self, X: Any) -> Float[np.ndarray, "n classes"]:
        """Class probabilities."""
        return probabilities(self.process_.predict(X), self.temperature_)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class."""
        return self.classes_[self.predict_proba(X).argmax(1)]

    def _leave_one_out(self, codes: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
        """Rasmussen & Williams 2006, equation 5.12, in the units of the codes."""
        process = self.process_.process_
        inverse_factor = np.linalg.inv(process.L_)
        residual = process.alpha_ / (inverse_factor**2).sum(0)[:, None]
        return codes - residual * codes.std(0)
