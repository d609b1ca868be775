"""The state of the feature interpreter: arrays of features whose inner products are the NNGP and the NTK of one layer.

Both kernels are sums over the same blocks of features, each with a weight of its own in either:

    K(x, x') = sum_i nngp_i <block_i(x), block_i(x')>,   Theta(x, x') = sum_i ntk_i <block_i(x), block_i(x')>.

So what both have in common is stored once, and a layer that multiplies or adds kernels changes numbers, not arrays.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class Block(NamedTuple):
    """Features of every example, at every position if there are positions, and their weights in the two kernels."""

    values: Float[Array, "n *positions width"]
    nngp: float
    ntk: float

    @property
    def width(self) -> int:
        """How many features."""
        return self.values.shape[-1]


@dataclasses.dataclass(frozen=True)
class Features:
    """The features of one layer of the infinite network."""

    blocks: tuple[Block, ...]
    channels: float
    """Number of units of this layer in the finite network; used by the standard parameterization and by `Concatenate`."""
    gaussian: bool = False
    """Whether the units are independent Gaussians, as an activation or a `LayerNorm` requires."""
    fresh: bool = True
    """Whether the units come from weights drawn since the present branch began."""
    flat: bool = False
    """Whether the positions are units like any others since a `Flatten`."""
    gains: bool = False
    """Whether the NTK differs from unit to unit, after a trainable gain that no weights have mixed since."""

    @property
    def positions(self) -> tuple[int, ...]:
        """The sizes of the position axes."""
        return self.blocks[0].values.shape[1:-1]

    @property
    def width(self) -> int:
        """How many features there are at one position, in all blocks."""
        return sum(block.width for block in self.blocks)

    @property
    def variance(self) -> Float[Array, "n *positions"]:
        """`K(x, x)` at every position."""
        terms = [block.nngp * jnp.sum(block.values**2, axis=-1) for block in self.blocks if block.nngp]
        return sum(terms[1:], terms[0]) if terms else jnp.zeros(self.blocks[0].values.shape[:-1])

    def nngp_blocks(self) -> list[Float[Array, "n *positions width"]]:
        """Features whose inner products are the NNGP."""
        return [_scaled(block.values, block.nngp) for block in self.blocks if block.nngp]

    def ntk_blocks(self) -> list[Float[Array, "n *positions width"]]:
        """Features whose inner products are the NTK."""
        return [_scaled(block.values, block.ntk) for block in self.blocks if block.ntk]

    def mapped(self, function: Callable[[Float[Array, "..."]], Float[Array, "..."]]) -> tuple[Block, ...]:
        """The blocks, with `function` of their values."""
        return tuple(block._replace(values=function(block.values)) for block in self.blocks)


def _scaled(values: Array, weight: float) -> Array:
    return values if weight == 1 else math.sqrt(weight) * values


def merged(blocks: list[Block]) -> tuple[Block, ...]:
    """Blocks of the same array as one; those that no kernel needs are left out."""
    found: dict[int, Block] = {}
    for block in blocks:
        known = found.get(id(block.values))
        if known is not None:
            block = block._replace(nngp=block.nngp + known.nngp, ntk=block.ntk + known.ntk)
        found[id(block.values)] = block
    return tuple(block for block in found.values() if block.nngp or block.ntk)
