"""What the first layers of a network say of its inputs: masks, graphs and tokens; and that no others say so."""

from typing import Any

import numpy as np

from nnlimits import nn
from nnlimits.kernels.blocks import LayerRow, flatten
from nnlimits.kernels.grids import members
from nnlimits.validation import is_traced

Wrapper = nn.Masked | nn.GraphNetwork


def opened(network: nn.Layer) -> tuple[list[Wrapper], LayerRow]:
    """The `Masked` and the `GraphNetwork` that a network begins with, from the outermost; and the layers within and after."""
    wrappers: list[Wrapper] = []
    row = flatten((network,))
    while row and isinstance(row[0], Wrapper):
        wrappers.append(row[0])
        row = flatten((*row[0].layers, *row[1:]))
    return wrappers, row


def unwrapped(network: nn.Layer) -> nn.Layer:
    """The layers within `Masked` and `GraphNetwork`, with those after them."""
    return nn.Sequential(*opened(network)[1])


def takes_tokens(network: nn.Layer) -> bool:
    """Whether the first layers see tokens, the network being `unwrapped`."""
    return any(isinstance(layer, nn.Embedding) for layer in _first((network,)))


def embeddings(network: nn.Layer) -> tuple[nn.Embedding, ...]:
    """Those that see the inputs of an `unwrapped` network."""
    return tuple(layer for layer in _first((network,)) if isinstance(layer, nn.Embedding))


def _first(layers: tuple[nn.Layer, ...]) -> tuple[nn.Layer, ...]:
    """The layers that see the inputs of a row, one of each branch."""
    row = flatten(layers)
    if not row:
        return (nn.Identity(),)
    if isinstance(row[0], nn.Parallel | nn.Residual):
        return tuple(first for branch in members(row[0]) for first in _first((branch,)))
    return row[:1]


def check_first_layers(network: nn.Layer, input_shape: tuple[int, ...]) -> None:
    """Raise where masks, graphs or tokens begin after the first layers, which the kernel does not follow."""
    wrappers, row = opened(network)
    for wrapper in wrappers:
        if isinstance(wrapper, nn.Masked) and len(output := wrapper.output_shape(input_shape)) > 1:
            raise ValueError(
                f"nn.Masked ends with positions, {output}, where masked ones have no meaning; move the layers that remove the "
                "positions, such as nn.GlobalAvgPool(), into it"
            )
    rest = _written_out(row)
    for word in (nn.Masked, nn.GraphNetwork):
        if any(isinstance(layer, word) for layer in rest):
            raise NotImplementedError(
                f"nn.{word.__name__} has an infinite-width kernel as the first layer of a network only (and nn.GraphNetwork "
                "as the first in an nn.Masked); it comes later here"
            )
    first = _first(row)
    count = sum(isinstance(layer, nn.Embedding) for layer in rest)
    if count and (count > len(first) or not all(isinstance(layer, nn.Embedding) for layer in first)):
        raise NotImplementedError(
            "nn.Embedding has an infinite-width kernel as the first layer of a network only, or of each of its branches "
            "alike, and outside nn.Repeat"
        )


def check_values(network: nn.Layer, x: Any) -> None:
    """Raise what the first layers raise of inputs that they cannot take, such as unknown tokens, where values are known."""
    check_first_layers(network, x.shape[1:])
    wrappers, row = opened(network)
    mask = None
    for wrapper in wrappers if not is_traced(x) else ():
        if isinstance(wrapper, nn.Masked):
            mask = wrapper.mask(x)
            continue
        for layer in _written_out(wrapper.layers):
            if isinstance(layer, nn.Aggregate):
                layer.check_adjacency(x[:, :, : x.shape[1]])
    for layer in embeddings(nn.Sequential(*row)):
        layer.check_tokens(x if mask is None else np.where(mask, 0, x))


def _written_out(layers: tuple[nn.Layer, ...]) -> tuple[nn.Layer, ...]:
    """All single layers in a row, and the wrappers."""
    found: list[nn.Layer] = []
    for layer in flatten(layers):
        inside = members(layer)
        found += [layer] if isinstance(layer, Wrapper) or not inside else _written_out(inside)
    return tuple(found)
