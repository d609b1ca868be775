"""How large a network of an approximation is."""

from typing import Any, NamedTuple

import jax
import numpy as np

from nnlimits import nn
from nnlimits.approximation.approximation import Approximation


class Size(NamedTuple):
    """Hidden layers are those with an activation behind them."""

    depth: int
    """The number of hidden layers."""
    width: int
    """The largest number of units of one of them."""
    weights: int
    """All parameters."""
    nonzero: int
    """Those that are not zero."""


def size(found: Approximation) -> Size:
    """The size of the network of an approximation: of affine layers and activations, alone, in sequence, or repeated."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(found.params)]
    depth, width, _ = _hidden(found.network, found.target.domain.dimension, 0)
    return Size(depth, width, sum(leaf.size for leaf in leaves), sum(int(np.count_nonzero(leaf)) for leaf in leaves))


def _hidden(layer: Any, width: int, widest: int) -> tuple[int, int, int]:
    """The hidden layers in a network, the widest of them, and the width behind it."""
    if isinstance(layer, nn.Activation):
        return 1, max(width, widest), width
    if isinstance(layer, nn.Sequential):
        depth = 0
        for part in layer.layers:
            more, widest, width = _hidden(part, width, widest)
            depth += more
        return depth, widest, width
    if isinstance(layer, nn.Repeat):
        depth, widest, width = _hidden(layer.block, width, widest)
        return depth * int(layer.depth), widest, width
    shape = layer.output_shape((width,))
    return 0, widest, shape[-1]
