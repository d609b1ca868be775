"""Picking positions."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.context import surroundings
from nnlimits.nn.fields import as_integer
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization

Item = int | tuple[int | None, int | None, int | None]
"""One position, or the start, stop and step of a slice (which is not hashable before Python 3.12)."""


class Index(Layer):
    """Picks positions, as `x[:, index]` does: `nn.Index(-1)` is the last of a sequence, a vector of channels.

    An integer picks one position and removes its axis; a slice picks several. A tuple is for the leading position axes,
    the others stay whole. The channels cannot be indexed.

    **Arguments:** `index`, an integer, a slice, or a tuple of those; negative integers count from the end.

    Inside `Masked` it must pick a single position.
    """

    items: tuple[Item, ...] = eqx.field(static=True)

    def __init__(self, index: Any) -> None:
        items = tuple(index) if isinstance(index, tuple | list) else (index,)
        if not items:
            raise ValueError("index must be an integer, a slice, or a tuple of those; received ()")
        self.items = tuple(_as_item(item) for item in items)

    @property
    def index(self) -> int | slice | tuple[int | slice, ...]:
        """The index as it would be written between brackets."""
        index = tuple(item if isinstance(item, int) else slice(*item) for item in self.items)
        return index[0] if len(index) == 1 else index

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        positions = input_shape[:-1]
        if len(self.items) > len(positions):
            raise self._shape_error(
                f"picks along {len(self.items)} axes; its input {input_shape} has {len(positions)} position axes before the "
                "channels, which cannot be indexed."
            )
        remaining = []
        for axis, (item, size) in enumerate(zip(self.items, positions, strict=False)):
            if isinstance(item, int):
                if not -size <= item < size:
                    raise self._shape_error(f"picks position {item} of axis {axis}, whose size is {size}.")
                continue
            picked = len(range(*slice(*item).indices(size)))
            if not picked:
                raise self._shape_error(f"picks nothing by {_spell(item)} of axis {axis}, whose size is {size}.")
            remaining.append(picked)
        output = (*remaining, *positions[len(self.items) :], input_shape[-1])
        if surroundings().positions == positions and len(output) > 1:
            raise self._shape_error(
                "keeps several of the masked positions. Inside nn.Masked, pick a single one, or put nn.Index after it."
            )
        return output

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        index = self.index
        return x[(slice(None), *(index if isinstance(index, tuple) else (index,)))]

    def _spelled_arguments(self) -> list[str]:
        items = ", ".join(map(_spell, self.items))
        return [items if len(self.items) == 1 else f"({items})"]


def _as_item(item: Any) -> Item:
    if not isinstance(item, slice):
        if isinstance(item, bool) or not hasattr(item, "__index__"):
            raise TypeError(f"index must be an integer, a slice, or a tuple of those; received {item!r}")
        return as_integer("index", -(2**63), item)
    names = ("start", "stop", "step")
    parts = [getattr(item, name) for name in names]
    start, stop, step = (
        None if part is None else as_integer(f"the {name} of the slice", -(2**63), part)
        for name, part in zip(names, parts, strict=True)
    )
    if step == 0:
        raise ValueError("the step of the slice must not be zero")
    return (start, stop, step)


def _spell(item: Item) -> str:
    if isinstance(item, int):
        return repr(item)
    return f"slice({', '.join(map(repr, item if item[2] is not None else item[:2]))})"
