"""Fewer features with the same inner products, on average."""

import dataclasses
import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from nnlimits.random_features.draws import Draws
from nnlimits.random_features.folding import folded_sketch
from nnlimits.random_features.state import Block, Features
from nnlimits.random_features.views import Themselves, View

Parts = Sequence[Float[Array, "n *positions _"]]


def projected(parts: Parts, matrix: Float[Array, "rows columns"]) -> Float[Array, "n *positions rows"]:
    """`matrix` times the features that `parts` are side by side."""
    start, total = 0, None
    for part in parts:
        stop = start + part.shape[-1]
        term = jnp.matmul(part, matrix[:, start:stop].T, precision=lax.Precision.HIGHEST)
        start, total = stop, term if total is None else total + term
    assert total is not None
    return total


def joined(parts: Parts) -> Float[Array, "n *positions width"]:
    """The parts side by side."""
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)


def fitted(parts: Parts, width: int, draws: Draws) -> Float[Array, "n *positions _"]:
    """At most `width` features, whose inner products are those of all parts together, but for a random error.

    If they are too many, the narrowest parts stay as they are, as long as they take no more than half of the width: those are
    the inputs and constants, in which most of the kernel is. All others are sketched together.
    """
    if sum(part.shape[-1] for part in parts) <= width:
        return joined(parts)
    kept, others, left = [], [], width // 2
    for part in sorted(parts, key=lambda part: part.shape[-1]):
        if part.shape[-1] <= left:
            kept.append(part)
            left -= part.shape[-1]
        else:
            others.append(part)
    taken = sum(part.shape[-1] for part in kept)
    return joined([*kept, folded_sketch(joined(others), width - taken, draws)])


def narrowed(features: Features, width: int, draws: Draws, view: View = Themselves()) -> Features:
    """What is seen of features; if it is more than `width`, sketched to that for the NNGP, and to as many again for what the NTK
    has beyond a multiple of it.
    """
    if sum(view.columns(block.values) for block in features.blocks) <= width:
        return dataclasses.replace(features, blocks=features.mapped(view.whole))
    shared = [block.ntk / block.nngp for block in features.blocks if block.nngp]
    common, blocks = min(shared, default=0.0), []
    if shared:
        blocks.append(Block(view.sketched(joined(features.nngp_blocks()), width, draws), 1.0, common))
    beyond = [(block.ntk - common * block.nngp, block) for block in features.blocks]
    parts = [math.sqrt(weight) * block.values for weight, block in beyond if weight > _ROUNDING * block.ntk]
    if parts:
        blocks.append(Block(view.sketched(joined(parts), width, draws), 0.0, 1.0))
    return dataclasses.replace(features, blocks=tuple(blocks))


_ROUNDING = 1e-9
