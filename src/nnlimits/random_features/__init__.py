"""Kernels as inner products of finitely many random features."""

from nnlimits.random_features import activations, combinators, convolution, dense, pooling
from nnlimits.random_features.arc_cosine import ArcCosineFeatures, arc_cosine_features, arc_cosine_kernel
from nnlimits.random_features.feature_map import FeatureMap, RandomFeatureMap
from nnlimits.random_features.features import FeatureError, NetworkFeatures, features
from nnlimits.random_features.fourier import FourierFeatures, fourier_features
from nnlimits.random_features.kernel_error import KernelError, kernel_error
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
from nnlimits.random_features.ridge import RidgeSolution, RidgeStatistics
from nnlimits.random_features.rules import feature_rule
from nnlimits.random_features.stationary import Stationary

__all__ = [
    "ArcCosineFeatures",
    "FeatureError",
    "FeatureMap",
    "FourierFeatures",
    "KernelError",
    "LeverageSample",
    "NetworkFeatures",
    "NystromFeatures",
    "RandomFeatureMap",
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
    "leverage_landmarks",
    "leverage_sample",
    "leverage_weighted",
    "nystrom_features",
    "ridge_leverage_scores",
    "uniform_landmarks",
]

# Importing these modules registers their rules.
_RULES = (activations, combinators, convolution, dense, pooling)
