"""The same network at another width."""

import dataclasses
from collections.abc import Iterator
from typing import Any, TypeVar

import jax

from nnlimits.nn.abc_parameterization import ABC
from nnlimits.nn.fields import as_integer
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization
from nnlimits.nn.repeat import Repeat

_Network = TypeVar("_Network", bound=Layer)


def with_width(network: _Network, width: int) -> _Network:
    """The network with the `width` of all its layers at `width`, but of those that make its outputs.

    Layers whose width has to be that of the data, as in a residual block on the inputs, stay as they are too. Heads of
    `SelfAttention`, and the widths of its keys and values, do not change; a network in which they do is a function of its
    width.

    **Arguments:** `network`; `width`, at least 1.

    **Raises:** `TypeError` or `ValueError` unless `network` is a layer and `width` a positive integer.
    """
    if not isinstance(network, Layer):
        raise TypeError(f"network must be an expression of nnlimits.nn; received {network!r}")
    width = as_integer("width", 1, width)
    widths = _resizable(network, Parameterization(ABC.named("mup")))

    def resized(word: Any) -> Any:
        return dataclasses.replace(word, width=width) if _has_width(word) and next(widths) else word

    return jax.tree.map(resized, network, is_leaf=_has_width)


def _resizable(layer: Layer, place: Parameterization) -> Iterator[bool]:
    """Whether the width of each layer that has one can change, in the order of the network's tree."""
    if _has_width(layer):
        yield place.wide_output
    elif isinstance(layer, Repeat):
        yield from _resizable(*layer.ends().placed(place)[-1])
    else:
        for member, own in layer.placed(place):
            yield from _resizable(member, own)


def _has_width(word: Any) -> bool:
    return isinstance(word, Layer) and any(field.name == "width" for field in dataclasses.fields(word))
