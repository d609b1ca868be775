"""The layers of a network that have weights, and the scales of these."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax

from nnlimits import nn

WEIGHT_SCALES = ("w_std", "u_std")
"""Fields that scale weights: all have the first, `nn.Rnn` has both."""

SCALES = (*WEIGHT_SCALES, "b_std")
"""Fields that scale weights or biases, whatever the layer."""


def weighted_layers(network: Any) -> list[Any]:
    """All layers with weights or biases of a scale in `SCALES`, in the order of the expression."""
    return [word for word in jax.tree.leaves(network, is_leaf=_is_weighted) if _is_weighted(word)]


def replace_weighted_layers(network: Any, layers: Sequence[Any]) -> Any:
    """The network with these layers, in the order of the expression, replaced."""
    remaining = iter(layers)
    return jax.tree.map(lambda word: next(remaining) if _is_weighted(word) else word, network, is_leaf=_is_weighted)


def weight_groups(network: nn.Layer) -> dict[str, list[Any]]:
    """The layers with weights: the `input` layer, the `readout` if the network ends in one, the `hidden` ones between."""
    found = weighted_layers(network)
    last = network
    while isinstance(last, nn.Sequential | nn.Masked | nn.GraphNetwork) and last.layers:
        last = last.layers[-1]
    readout = found[-1:] if len(found) > 1 and _is_weighted(last) else []
    rest = found[: len(found) - len(readout)]
    groups = {"input": rest[:1], "hidden": rest[1:], "readout": readout}
    return {name: layers for name, layers in groups.items() if layers}


def scales_of(layer: Any) -> tuple[str, ...]:
    """Which of `SCALES` a layer has; a bias that is absent has none."""
    names = {field.name for field in dataclasses.fields(layer)}
    return tuple(name for name in SCALES if name in names and getattr(layer, name) is not None)


def with_scale(layer: Any, name: str, value: Any) -> Any:
    """A layer with another scale, where it has one of this name."""
    if name not in scales_of(layer):
        return layer
    return eqx.tree_at(lambda word: getattr(word, name), layer, value)


def _is_weighted(word: Any) -> bool:
    return isinstance(word, nn.Layer) and bool(scales_of(word))
