"""Kernels as inner products of finitely many features, and ridge regression on them.

The transformers of scikit-learn are imported when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from nnlimits.random_features import activations, combinators, convolution, dense, pooling
from nnlimits.random_features.arc_cosine import ArcCosineFeatures, arc_cosine_features, arc_cosine_kernel
from nnlimits.random_features.dual_ridge import DualRidge, DualSolution, ridge_on_rows
from nnlimits.random_features.feature_map import FeatureMap, RandomFeatureMap
from nnlimits.random_features.features import FeatureError, NetworkFeatures, features
from nnlimits.random_features.fourier import FourierFeatures, fourier_features
from nnlimits.random_features.kernel_error import KernelError, kernel_error
from nnlimits.random_features.kitchen_sinks import Certificate, KitchenSinks, kitchen_sinks
from nnlimits.random_features.leverage import (
    LeverageSample,
    approximate_leverage_scores,
    leverage_sample,
    leverage_weighted,
    ridge_leverage_scores,
)
from nnlimits.random_features.nystrom import (
    NystromFeatures,
    leverage_landmarks,
    nystrom_features,
    uniform_landmarks,
)
from nnlimits.random_features.ridge import RidgeStatistics
from nnlimits.random_features.ridge_regression import RidgeRegression, RidgeSolution
from nnlimits.random_features.rules import feature_rule
from nnlimits.random_features.stationary import Stationary

if TYPE_CHECKING:
    from nnlimits.random_features.transformers import (
        ArcCosineRandomFeatures,
        NetworkRandomFeatures,
        NystromTransformer,
        RandomFourierFeatures,
    )

__all__ = [
    "ArcCosineFeatures",
    "ArcCosineRandomFeatures",
    "Certificate",
    "DualRidge",
    "DualSolution",
    "FeatureError",
    "FeatureMap",
    "FourierFeatures",
    "KernelError",
    "KitchenSinks",
    "LeverageSample",
    "NetworkFeatures",
    "NetworkRandomFeatures",
    "NystromFeatures",
    "NystromTransformer",
    "RandomFeatureMap",
    "RandomFourierFeatures",
    "RidgeRegression",
    "RidgeSolution",
    "RidgeStatistics",
    "Stationary",
    "approximate_leverage_scores",
    "arc_cosine_features",
    "arc_cosine_kernel",
    "feature_rule",
    "features",
    "fourier_features",
    "kernel_error",
    "kitchen_sinks",
    "leverage_landmarks",
    "leverage_sample",
    "leverage_weighted",
    "nystrom_features",
    "ridge_leverage_scores",
    "ridge_on_rows",
    "uniform_landmarks",
]

# Importing these modules registers their rules.
_RULES = (activations, combinators, convolution, dense, pooling)

_TRANSFORMERS = ("ArcCosineRandomFeatures", "NetworkRandomFeatures", "NystromTransformer", "RandomFourierFeatures")


def __getattr__(name: str) -> Any:
    if name in _TRANSFORMERS:
        return getattr(importlib.import_module("nnlimits.random_features.transformers"), name)
    raise AttributeError(f"module 'nnlimits.random_features' has no attribute {name!r}")
