"""One block, many times."""

import itertools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.context import surrounded
from nnlimits.nn.depth_dependent import DepthDependent
from nnlimits.nn.errors import located
from nnlimits.nn.fields import as_integer
from nnlimits.nn.layer import Layer
from nnlimits.nn.members import as_member
from nnlimits.nn.parameterization import Parameterization
from nnlimits.nn.reports import Statistics, report, reporting
from nnlimits.nn.sequential import Sequential

_SETTLING = 16
"""How many blocks may change the shape before the shapes of an infinitely deep network are said never to settle."""


class Repeat(Layer):
    """`depth` copies of `block` one after another, each with parameters of its own.

    The parameters are `{"head": (...), "tail": ...}`: one entry in `head` for each block whose output shape differs
    from its input shape, and then the others stacked along a leading axis, so that they run as one loop (`()` if none
    is left). With JAX's default generator the draws are those of `nn.Sequential(block, block, ...)`.

    Words that depend on the depth, such as `nn.DepthScale`, take it from the innermost `Repeat` that they stand in.

    **Arguments:** `block`, a layer; `depth`, a positive integer, or `math.inf`: an infinitely deep network, which has
    limits but no finite network to `init` or `apply`.
    """

    block: Layer
    depth: int | float = eqx.field(static=True)

    def __init__(self, block: Any, depth: Any) -> None:
        self.block = as_member("Repeat's block", block)
        self.depth = math.inf if isinstance(depth, float) and depth == math.inf else as_integer("depth", 1, depth)

    def resolved_block(self) -> Layer:
        """The block, with all words that depend on the depth written for this one: what is repeated."""
        return jax.tree.map(self._at_this_depth, self.block, is_leaf=_knows_depth)

    def _at_this_depth(self, value: Any) -> Any:
        return value.at_depth(self.depth) if _knows_depth(value) and not isinstance(value, Repeat) else value

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        shapes, block = [input_shape], self.resolved_block()
        while len(shapes) <= self.depth:
            with located("in the block of Repeat"):
                shapes.append(block.output_shape(shapes[-1]))
            if shapes[-1] == shapes[-2]:
                break
            if math.isinf(self.depth) and len(shapes) > _SETTLING:
                raise self._shape_error(
                    "at infinite depth needs a block whose output shape settles; "
                    f"it maps {shapes[-3]} to {shapes[-2]} to {shapes[-1]}."
                )
        return shapes[-1]

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Draw the parameters of each block."""
        depth, block = self._finite_depth(), self.resolved_block()
        keys = jax.random.split(key, depth)
        places = [own for _, own in self.placed(parameterization)]
        head, shape = [], input_shape
        while len(head) < depth and (next_shape := block.output_shape(shape)) != shape:
            head.append(block.initialize(keys[len(head)], shape, places[len(head)], dtype))
            shape = next_shape
        if len(head) == depth:
            return {"head": tuple(head), "tail": ()}
        tail = [
            jax.vmap(lambda block_key, own=own: block.initialize(block_key, shape, own, dtype))(keys[start:stop])
            for start, stop, own in _rows(places, len(head))
        ]
        return {"head": tuple(head), "tail": jax.tree.map(lambda *rows: jnp.concatenate(rows), *tail)}

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        depth, head, block = self._finite_depth(), params["head"], self.resolved_block()
        keys = None if key is None else jax.random.split(key, depth)
        places = [own for _, own in self.placed(parameterization)]
        with located("in the block of Repeat"):
            for i, block_params in enumerate(head):
                x = block.forward(block_params, x, None if keys is None else keys[i], places[i])
            for start, stop, own in _rows(places, len(head)):
                layers: list[Layer] = []

                def step(
                    carry: Array, of_block: tuple[PyTree, PRNGKeyArray | None], own=own, layers=layers
                ) -> tuple[Array, list[Statistics]]:
                    with reporting() as told, surrounded(looped=True):
                        carry = block.forward(of_block[0], carry, of_block[1], own)
                    layers[:] = [one.layer for one in told]
                    return carry, [one.statistics for one in told]

                row = params["tail"]
                if stop - start < depth - len(head):
                    part = slice(start - len(head), stop - len(head))
                    row = jax.tree.map(lambda leaf, part=part: leaf[part], row)
                xs = row, None if keys is None else keys[start:stop]
                x, statistics = lax.scan(step, x, xs, length=stop - start)
                for layer, of_all in zip(layers, statistics, strict=True):
                    report(layer, of_all)
            return x

    def keeps_width(self) -> bool:
        return self.resolved_block().keeps_width()

    def placed(self, parameterization: Parameterization) -> tuple[tuple[Layer, Parameterization], ...]:
        """Each of the blocks, of finite depth."""
        if parameterization.exponents.follows_fan_in:  # all places are alike, and there may be many
            return ((self.resolved_block(), parameterization),) * self._finite_depth()
        return Sequential(*(self.resolved_block(),) * self._finite_depth()).placed(parameterization)

    def makes_width(self, parameterization: Parameterization) -> bool:
        return self.ends().makes_width(parameterization)

    def ends(self) -> Sequential:
        """The first and the last block; between them the number of channels does not begin or cease to be a width."""
        return Sequential(*(self.resolved_block(),) * (1 if self.depth == 1 else 2))

    def _finite_depth(self) -> int:
        if not isinstance(self.depth, int):
            raise NotImplementedError(
                "Repeat at infinite depth has no finite network to init or apply; take a finite depth, "
                f"e.g. nn.Repeat({self.block!r}, 64)"
            )
        return self.depth


def _knows_depth(value: Any) -> bool:
    """Whether a value takes the depth of its innermost `Repeat`, or is one."""
    return isinstance(value, Repeat | DepthDependent)


def _rows(places: list[Parameterization], start: int) -> list[tuple[int, int, Parameterization]]:
    """The blocks from `start` on in rows of equal parameterization, as first block, last block + 1, and the parameterization.

    There is one row, unless the first block reads the data or the last makes the outputs.
    """
    rows = []
    for own, row in itertools.groupby(range(start, len(places)), key=places.__getitem__):
        blocks = list(row)
        rows.append((blocks[0], blocks[-1] + 1, own))
    return rows
