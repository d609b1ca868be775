"""Infinitely wide and infinitely deep networks as scikit-learn estimators.

Those that train particles or a finite network, or need random features, are imported when they are first used, with the solvers that they need.
"""

import importlib
from typing import TYPE_CHECKING, Any

from nnlimits.estimators.classifier import InfiniteNetClassifier
from nnlimits.estimators.regressor import InfiniteNetRegressor

if TYPE_CHECKING:
    from nnlimits.estimators.equilibrium import EquilibriumClassifier
    from nnlimits.estimators.mean_field import MeanFieldClassifier, MeanFieldRegressor
    from nnlimits.estimators.neural_ode import NeuralODEClassifier
    from nnlimits.estimators.ntk_features import NTKFeatureClassifier, NTKFeatureRegressor

__all__ = [
    "EquilibriumClassifier",
    "InfiniteNetClassifier",
    "InfiniteNetRegressor",
    "MeanFieldClassifier",
    "MeanFieldRegressor",
    "NTKFeatureClassifier",
    "NTKFeatureRegressor",
    "NeuralODEClassifier",
]

_MODULES = {
    "EquilibriumClassifier": "equilibrium",
    "MeanFieldClassifier": "mean_field",
    "MeanFieldRegressor": "mean_field",
    "NTKFeatureClassifier": "ntk_features",
    "NTKFeatureRegressor": "ntk_features",
    "NeuralODEClassifier": "neural_ode",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"nnlimits.estimators.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'nnlimits.estimators' has no attribute {name!r}")
