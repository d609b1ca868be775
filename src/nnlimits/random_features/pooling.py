"""Feature rules of the layers that average over positions or pick some of them: they act on the features as on the units."""

import dataclasses

from nnlimits import nn
from nnlimits.random_features.rules import Scope, feature_rule
from nnlimits.random_features.state import Features


@feature_rule.register(nn.AvgPool)
@feature_rule.register(nn.SumPool)
@feature_rule.register(nn.GlobalAvgPool)
@feature_rule.register(nn.GlobalSumPool)
@feature_rule.register(nn.ImageResize)
@feature_rule.register(nn.Index)
def _between_positions(layer: nn.Layer, features: Features, scope: Scope) -> Features:
    """The linear map of positions that all units have in common maps their features: `K'(p, p')` sums over pairs of positions."""
    parameterization = layer.network_parameterization()
    return dataclasses.replace(
        features, blocks=features.mapped(lambda values: layer.forward((), values, None, parameterization))
    )
