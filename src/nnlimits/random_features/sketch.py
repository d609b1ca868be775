"""Fewer features with the same inner products, on average."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.random_features.draws import Draw, Draws
from nnlimits.random_features.random_matrices import spherical_rows
from nnlimits.random_features.rules import Scope
from nnlimits.random_features.state import Block, Features

Parts = Sequence[Float[Array, "n *positions _"]]


def projected(parts: Parts, matrix: Float[Array, "rows columns"]) -> Float[Array, "n *positions rows"]:
    """`matrix` times the features that `parts` are side by side."""
    start, total = 0, None
    for part in parts:
        stop = start + part.shape[-1]
        term = jnp.matmul(part, matrix[:, start:stop].T, precision=jax.lax.Precision.HIGHEST)
        start, total = stop, term if total is None else total + term
    assert total is not None
    return total


def sketched(parts: Parts, width: int, draws: Draws) -> Float[Array, "n *positions width"]:
    """At most `width` features, whose inner products are those of all parts together but for a random error of relative variance
    `(1 - width / columns) (1 + c^2) / (width c^2)` at correlation c: a random orthogonal projection (Johnson & Lindenstrauss
    1984), unbiased.
    """
    columns = sum(part.shape[-1] for part in parts)
    if columns <= width:
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)
    matrix = draws.take(Draw(spherical_rows, (width, columns)))
    return projected(parts, matrix / math.sqrt(width))


def narrowed(features: Features, width: int, scope: Scope) -> Features:
    """Features of at most `width` numbers for the NNGP, and as many again for what the NTK has beyond a multiple of it."""
    shared = [block for block in features.blocks if block.nngp]
    common = min((block.ntk / block.nngp for block in shared), default=0.0)
    blocks = []
    if shared:
        blocks.append(Block(sketched(features.nngp_blocks(), width, scope.draws), 1.0, common))
    beyond = [block._replace(ntk=block.ntk - common * block.nngp) for block in features.blocks]
    parts = [math.sqrt(block.ntk) * block.values for block in beyond if block.ntk > 1e-12]
    if parts:
        blocks.append(Block(sketched(parts, width, scope.draws), 0.0, 1.0))
    return _with_blocks(features, blocks)


def _with_blocks(features: Features, blocks: list[Block]) -> Features:
    import dataclasses

    return dataclasses.replace(features, blocks=tuple(blocks))
