"""Kernels as inner products of finitely many random features."""

from nnlimits.random_features import activations, combinators, dense
from nnlimits.random_features.features import FeatureError, NetworkFeatures, features
from nnlimits.random_features.rules import feature_rule

__all__ = ["FeatureError", "NetworkFeatures", "feature_rule", "features"]

# Importing these modules registers their rules.
_RULES = (activations, combinators, dense)
