"""One block, many times."""

import math
from typing import Any

import equinox as eqx
import jax
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.errors import located
from nnlimits.nn.fields import as_integer
from nnlimits.nn.layer import Layer
from nnlimits.nn.members import as_member

_SETTLING = 16
"""How many blocks may change the shape before the shapes of an infinitely deep network are said never to settle."""


class Repeat(Layer):
    """`depth` copies of `block` one after another, each with parameters of its own.

    The parameters are `{"head": (...), "tail": ...}`: one entry in `head` for each block whose output shape differs
    from its input shape, and then the others stacked along a leading axis, so that they run as one loop (`()` if none
    is left). With JAX's default generator the draws are those of `nn.Sequential(block, block, ...)`.

    **Arguments:** `block`, a layer; `depth`, a positive integer, or `math.inf`: an infinitely deep network, which has
    limits but no finite network to `init` or `apply`.
    """

    block: Layer
    depth: int | float = eqx.field(static=True)

    def __init__(self, block: Any, depth: Any) -> None:
        self.block = as_member("Repeat's block", block)
        self.depth = math.inf if isinstance(depth, float) and depth == math.inf else as_integer("depth", 1, depth)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        shapes = [input_shape]
        while len(shapes) <= self.depth:
            with located("in the block of Repeat"):
                shapes.append(self.block.output_shape(shapes[-1]))
            if shapes[-1] == shapes[-2]:
                break
            if math.isinf(self.depth) and len(shapes) > _SETTLING:
                raise self._shape_error(
                    "at infinite depth needs a block whose output shape settles; "
                    f"it maps {shapes[-3]} to {shapes[-2]} to {shapes[-1]}."
                )
        return shapes[-1]

    def initialize(self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: str, dtype: Any) -> PyTree:
        """Draw the parameters of each block."""
        depth = self._finite_depth()
        keys = jax.random.split(key, depth)
        head, shape = [], input_shape
        while len(head) < depth and (next_shape := self.block.output_shape(shape)) != shape:
            head.append(self.block.initialize(keys[len(head)], shape, parameterization, dtype))
            shape = next_shape
        if len(head) == depth:
            return {"head": tuple(head), "tail": ()}
        draw = jax.vmap(lambda block_key: self.block.initialize(block_key, shape, parameterization, dtype))
        return {"head": tuple(head), "tail": draw(keys[len(head) :])}

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: str
    ) -> Float[Array, "n ..."]:
        depth, head = self._finite_depth(), params["head"]
        keys = None if key is None else jax.random.split(key, depth)
        with located("in the block of Repeat"):
            for i, block_params in enumerate(head):
                x = self.block.forward(block_params, x, None if keys is None else keys[i], parameterization)
            if len(head) == depth:
                return x
            tail_keys = None if keys is None else keys[len(head) :]

            def step(carry: Array, block: tuple[PyTree, PRNGKeyArray | None]) -> tuple[Array, None]:
                return self.block.forward(block[0], carry, block[1], parameterization), None

            return lax.scan(step, x, (params["tail"], tail_keys), length=depth - len(head))[0]

    def _finite_depth(self) -> int:
        if not isinstance(self.depth, int):
            raise NotImplementedError(
                "Repeat at infinite depth has no finite network to init or apply; take a finite depth, "
                f"e.g. nn.Repeat({self.block!r}, 64)"
            )
        return self.depth
