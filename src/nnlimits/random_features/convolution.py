"""Feature rule of convolutions: patches of features are the features of patches (Zandieh et al. 2021, section 4)."""

import dataclasses
import math

from nnlimits import nn
from nnlimits.random_features.dense import affine
from nnlimits.random_features.rules import Scope, feature_rule, require_positions
from nnlimits.random_features.sketch import narrowed
from nnlimits.random_features.state import Block, Features
from nnlimits.random_features.views import Patches


@feature_rule.register
def _conv(layer: nn.Conv, features: Features, scope: Scope) -> Features:
    """`K'(p, p') = w_std^2 mean_o K(p + o, p' + o) + b_std^2`, zeros beyond the edges: the features of all taps side by side.

    They are sketched by random weights, the same at all positions, so that inner products between positions are kept.
    """
    require_positions(layer, features)
    windows = layer.windows((*features.positions, 1))
    taps = math.prod(windows.kernel)
    seen = narrowed(features, scope.width, scope.draws, Patches(windows))
    blocks = tuple(Block(block.values, block.nngp / taps, block.ntk / taps) for block in seen.blocks)
    return affine(layer, dataclasses.replace(seen, blocks=blocks), scope, fan_in=taps * features.channels)
