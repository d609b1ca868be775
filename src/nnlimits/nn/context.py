"""What surrounds a layer inside `Masked` and `GraphNetwork`: the mask of the positions, and the graph.

A layer's `forward` receives its own input only. What a wrapper knows of the whole input is kept in a context variable while
the wrapper runs its layers, and read by the layers that need it through `surroundings`. Under a JAX transformation
the arrays are tracers like any other value that a function closes over.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from nnlimits.nn.errors import ShapeError


@dataclasses.dataclass(frozen=True)
class Context:
    """What the wrappers round a layer tell it.

    `positions` (the position axes of the masked input) and `nodes` (the size of the graph) are known inside a wrapper at
    any time, `mask` (True where masked) and `adjacency` (row p receives) only while it computes. `looped`: whether the layer runs
    in a compiled loop, as within `Repeat`, `NeuralODE` and `Equilibrium`.
    """

    positions: tuple[int, ...] | None = None
    nodes: int | None = None
    mask: Bool[Array, "n *positions"] | None = None
    adjacency: Float[Array, "n nodes nodes"] | None = None
    looped: bool = False


_NOTHING = Context()
_CONTEXT: ContextVar[Context] = ContextVar("nnlimits.nn.context", default=_NOTHING)


def surroundings() -> Context:
    """The context of the layer that asks; empty outside `Masked` and `GraphNetwork`."""
    return _CONTEXT.get()


@contextlib.contextmanager
def surrounded(**changes: Any) -> Iterator[None]:
    """Run a block in the present context with the given fields changed."""
    token = _CONTEXT.set(dataclasses.replace(_CONTEXT.get(), **changes))
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def mask_of(position_axes: tuple[int, ...]) -> Bool[Array, "n *positions"] | None:
    """The mask (True where masked) for an input with these position axes; `None` if nothing masks them.

    Inside `Masked` an array has either all the positions of the input, or none.
    """
    context = surroundings()
    return context.mask if context.positions == position_axes else None


def without_masked(x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
    """`x` of shape (n, *positions, channels) with zeros at masked positions; `x` itself outside `Masked`."""
    mask = mask_of(x.shape[1:-1])
    return x if mask is None else jnp.where(mask[..., None], 0, x)


def keeps_mask(layer: object, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return `output_shape`, of a layer that takes an input of `input_shape`.

    **Raises:** `ShapeError` inside `Masked`, if it has some positions but not those of the input: their mask is unknown.
    """
    positions = surroundings().positions
    if positions is not None and input_shape[:-1] == positions and output_shape[:-1] not in (positions, ()):
        raise ShapeError(
            type(layer).__name__,
            f"makes positions {output_shape[:-1]} of the masked positions {positions}. Inside nn.Masked, keep all positions "
            "(stride 1 and padding 'same') or remove them all (nn.GlobalAvgPool(), nn.GlobalSumPool(), nn.Flatten(), "
            "nn.Linear over all axes, or nn.Index of one position).",
        )
    return output_shape
