"""The block that a deep network repeats, from one row of Gaussian units to the next."""

import dataclasses
import itertools
from typing import Any

import jax

from nnlimits import nn
from nnlimits.kernels.blocks import blocks, flatten
from nnlimits.signal.homogeneous import homogeneous


def repeated_block(network: nn.Layer) -> nn.Sequential:
    """The layers whose repetition is the network's depth, for one position and beginning at Gaussian units.

    Of `Dense, Tanh, Dense, Tanh, ..., Dense` that is `Tanh, Dense`: a map of the variance and correlation of preactivations.
    Where repetitions differ in their scales the last of them is meant; where nothing repeats, what lies between the first affine
    layer and the second.

    **Raises:** `ValueError` if there is no such block; `NotImplementedError` for infinitely many that change with the depth;
    errors of layers without a map of their own.
    """
    row = written_out(network)
    unit = _last_repetition(row) or _between_affine(row, network)
    last = max((i for i, layer in enumerate(unit) if isinstance(layer, nn.Dense)), default=len(unit) - 1)
    return nn.Sequential(*unit[last + 1 :], *unit[: last + 1])


def written_out(network: nn.Layer) -> tuple[nn.Layer, ...]:
    """The row of layers for one position, without nested sequences and identities, and `Repeat` written out."""
    row: list[nn.Layer] = []
    for layer in flatten((homogeneous(network),)):
        if isinstance(layer, nn.Repeat):
            if not isinstance(layer.depth, int):
                if layer.resolved_block() != layer.block:
                    raise NotImplementedError(
                        f"{layer!r} has blocks that change with the depth (nn.DepthScale): at infinite depth one of them does "
                        "nothing, and has no maps of its own. Give a finite depth; the kernel of infinitely many of them is "
                        "nnlimits.kernel(network)"
                    )
                return written_out(nn.Sequential(*row, *[layer.resolved_block()] * 2))
            row.extend(written_out(layer.resolved_block()) * layer.depth)
        else:
            row.append(layer)
    return tuple(row)


def _last_repetition(row: tuple[nn.Layer, ...]) -> tuple[nn.Layer, ...]:
    """Of the period that occurs most often, whatever its widths; nothing if none occurs twice."""
    found = blocks(tuple(jax.tree.map(_narrow, layer, is_leaf=_is_dense) for layer in row))
    ends = list(itertools.accumulate(len(block.layers) for block in found))
    block, end = max(zip(found, ends, strict=True), key=lambda pair: pair[0].repetitions)
    return row[end - block.period : end] if block.repetitions > 1 else ()


def _is_dense(word: Any) -> bool:
    return isinstance(word, nn.Dense)


def _narrow(word: Any) -> Any:
    return dataclasses.replace(word, width=1) if isinstance(word, nn.Dense) else word


def _between_affine(row: tuple[nn.Layer, ...], network: nn.Layer) -> tuple[nn.Layer, ...]:
    places = [i for i, layer in enumerate(row) if isinstance(layer, nn.Dense)]
    if len(places) > 1:
        return row[places[0] + 1 : places[1] + 1]
    if len(row) == 1 and isinstance(row[0], nn.Residual):
        return row
    raise ValueError(
        f"{network!r} has no depth: nothing in it repeats, and no two affine layers follow one another. Give a deeper network, "
        "such as nn.Repeat(nn.Sequential(nn.Dense(512), nn.Tanh()), 10)"
    )
