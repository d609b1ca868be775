"""How much memory and work a pair of inputs takes, by which tiles are made."""

import math

from nnlimits import nn
from nnlimits.compute.tiles import Load
from nnlimits.kernels.first_layers import takes_tokens, unwrapped
from nnlimits.kernels.needs import needs

# One displacement of many pairs is computed at a time, and over again for each: the nearer cache suits it.
_NEARER = 16
# Of the diagonal alone a few rows of a tile are computed at a time.
_PARTS = 4
_LANES = 16
"""Numbers in the widest vectors."""


def load(network: nn.Layer, input_shape: tuple[int, ...]) -> Load:
    """What a pair of inputs asks of a tile."""
    positions = _positions(network, input_shape)
    if positions is None:
        return Load()
    return Load(float(positions * _NEARER)) if needs(network).displacements else Load(positions / _PARTS, _LANES)


def work_of_a_pair(network: nn.Layer, input_shape: tuple[int, ...]) -> float:
    """How many covariances between positions a layer computes for a pair of inputs; one for inputs without positions."""
    positions = _positions(network, input_shape) or 1
    return float(positions**2 if needs(network).displacements else positions)


def _positions(network: nn.Layer, input_shape: tuple[int, ...]) -> int | None:
    tokens = takes_tokens(unwrapped(network))
    if len(input_shape) < 2 and not tokens:
        return None
    return math.prod(input_shape if tokens else input_shape[:-1])
