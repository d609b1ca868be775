"""Infinitely wide networks as scikit-learn estimators.

Those of the mean-field limit are imported when they are first used, with the solvers that they need.
"""

import importlib
from typing import TYPE_CHECKING, Any

from nnlimits.estimators.classifier import InfiniteNetClassifier
from nnlimits.estimators.regressor import InfiniteNetRegressor

if TYPE_CHECKING:
    from nnlimits.estimators.mean_field import MeanFieldClassifier, MeanFieldRegressor

__all__ = ["InfiniteNetClassifier", "InfiniteNetRegressor", "MeanFieldClassifier", "MeanFieldRegressor"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("nnlimits.estimators.mean_field"), name)
    raise AttributeError(f"module 'nnlimits.estimators' has no attribute {name!r}")
