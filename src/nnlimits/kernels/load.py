"""How much memory and work a pair of inputs takes, by which tiles are made."""

import math
from typing import Any

import jax
import numpy as np

from nnlimits import nn
from nnlimits.compute.tiles import CACHE_TILE, Load
from nnlimits.kernels.first_layers import takes_tokens, unwrapped
from nnlimits.kernels.needs import needs
from nnlimits.kernels.ode_fineness import fineness

# Of all displacements one is computed at a time, and over again for each: the nearer cache suits it.
_NEARER = 36
# Of the diagonal alone a few rows of a tile are computed at a time.
_PARTS = 4
_LANES = 16
"""Numbers in the widest vectors."""


def load(network: nn.Layer, input_shape: tuple[int, ...], dtype: Any) -> Load:
    """What a pair of inputs asks of a tile."""
    positions = _positions(network, input_shape)
    depths = _pairs_of_depths(network, dtype)
    if positions is None:
        return Load(depths, _LANES if depths > 1 else 1)
    if not needs(network).displacements:
        return Load(depths * positions / _PARTS, _LANES)
    # a power of two, so that the pairs of a tile, which are next to one another, fill whole vectors
    memory = 4.0 ** round(math.log(_NEARER * positions * np.dtype(dtype).itemsize / 4, 4))
    return Load(memory, max(1, round(CACHE_TILE / memory**0.5)))


def work_of_a_pair(network: nn.Layer, input_shape: tuple[int, ...]) -> float:
    """How many covariances between positions a layer computes for a pair of inputs; one for inputs without positions."""
    positions = _positions(network, input_shape) or 1
    return float(positions**2 if needs(network).displacements else positions)


def _pairs_of_depths(network: nn.Layer, dtype: Any) -> float:
    """How many covariances at once a pair takes: of `nn.NeuralODE`, those of all pairs of depths."""
    found = jax.tree.leaves(network, is_leaf=lambda word: isinstance(word, nn.NeuralODE))
    pairs = [fineness(word, np.dtype(dtype)).pairs for word in found if isinstance(word, nn.NeuralODE)]
    return float(max(pairs, default=1))


def _positions(network: nn.Layer, input_shape: tuple[int, ...]) -> int | None:
    tokens = takes_tokens(unwrapped(network))
    if len(input_shape) < 2 and not tokens:
        return None
    return math.prod(input_shape if tokens else input_shape[:-1])
