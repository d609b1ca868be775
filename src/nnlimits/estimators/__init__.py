"""Infinitely wide networks as scikit-learn estimators."""

from nnlimits.estimators.classifier import InfiniteNetClassifier
from nnlimits.estimators.regressor import InfiniteNetRegressor

__all__ = ["InfiniteNetClassifier", "InfiniteNetRegressor"]
