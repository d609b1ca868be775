"""A traced model: operations, and what the axes of every value are.

Models differ in the order of their axes, the language has channels last. So every axis of a value has a label: the batch,
the channels, or positions (the position axes of the language that it holds; several where they have been laid out along one).
An operation of shapes then is a relabelling, and most are nothing to the language.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp

from nnlimits import nn
from nnlimits.convert.conversion import Unsupported

BATCH, CHANNELS, NOTHING = "batch", "channels", "nothing"
Label = str | tuple[int, ...]
"""`BATCH`, `CHANNELS`, `NOTHING` (an axis of length one), or the numbers of position axes."""


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """One operation."""

    inputs: tuple["Node", ...]
    word: nn.Layer | nn.Merge | None
    """What it is, if it is not just a function."""
    function: Callable[..., Any] | None
    """The function of the inputs' entries, if it acts on each entry by itself."""
    place: str
    trained: bool = False
    """Whether it has parameters, so that it stands once in an expression."""


@dataclasses.dataclass(frozen=True, eq=False)
class Value:
    """A result of an operation, with its axes."""

    node: Node
    labels: tuple[Label, ...]
    shape: tuple[int, ...]

    @property
    def positions(self) -> int:
        """How many position axes it has in the language."""
        return sum(len(label) for label in self.labels if isinstance(label, tuple))

    def axis(self, label: Label) -> int:
        """Where a label is."""
        return self.labels.index(label)


def refuse(place: str, problem: str) -> Unsupported:
    """The error of an operation."""
    return Unsupported(f"{place}: {problem}")


def source(labels: Sequence[Label], shape: Sequence[int]) -> Value:
    """The input of a model."""
    return Value(Node((), nn.Identity(), None, "the input"), tuple(labels), tuple(shape))


def layer(
    value: Value, word: nn.Layer, labels: Sequence[Label], shape: Sequence[int], place: str, trained: bool = True
) -> Value:
    """A layer of the language applied."""
    return Value(Node((value.node,), word, None, place, trained), tuple(labels), tuple(shape))


def relabelled(value: Value, labels: Sequence[Label], shape: Sequence[int]) -> Value:
    """The same entries along other axes."""
    return Value(value.node, tuple(labels), tuple(shape))


def elementwise(function: Callable[..., Any], values: Sequence[Value], place: str) -> Value:
    """A function of the entries of one or more values."""
    first = values[0]
    for other in values[1:]:
        if other.labels != first.labels or other.shape != first.shape:
            raise refuse(
                place, f"combines values of shapes {first.shape} and {other.shape}, which are not laid out alike"
            )
    nodes = tuple(value.node for value in values)
    word = {jnp.add: nn.Sum(), jnp.multiply: nn.Product()}.get(function)  # type: ignore[arg-type]
    return Value(Node(nodes, word, function, place), first.labels, first.shape)


def scaled(value: Value, factor: float, place: str) -> Value:
    """Multiplication by a constant."""
    node = Node((value.node,), nn.Scale(factor), lambda x: factor * x, place)
    return Value(node, value.labels, value.shape)


def transposed(value: Value, order: Sequence[int]) -> Value:
    """The axes in another order."""
    return relabelled(value, [value.labels[i] for i in order], [value.shape[i] for i in order])


def concatenated(values: Sequence[Value], axis: int, place: str) -> Value:
    """Values side by side along the channels."""
    first = values[0]
    if any(value.labels != first.labels for value in values) or first.labels[axis] != CHANNELS:
        raise refuse(place, "lays values side by side along another axis than the channels")
    shape = list(first.shape)
    shape[axis] = sum(value.shape[axis] for value in values)
    node = Node(tuple(value.node for value in values), nn.Concatenate(), None, place)
    return Value(node, first.labels, tuple(shape))


def averaged(value: Value, axes: Sequence[int], place: str) -> Value:
    """The mean over all positions."""
    over = sorted({axis % len(value.shape) for axis in axes})
    rest = [i for i in range(len(value.shape)) if i not in over]
    gone = {value.labels[i] for i in over}
    kept = {value.labels[i] for i in rest}
    labels, shape = [value.labels[i] for i in rest], [value.shape[i] for i in rest]
    if gone <= {NOTHING}:
        return relabelled(value, labels, shape)
    if BATCH in gone or CHANNELS in gone or any(isinstance(label, tuple) for label in kept):
        raise refuse(place, f"averages over axes {over} of {value.shape}, which are not all positions and no others")
    return layer(value, nn.GlobalAvgPool(), labels, shape, place, trained=False)


def reshaped(value: Value, shape: Sequence[int], place: str) -> Value:
    """The same entries in another shape: axes of length one more or less, positions along one axis, or all flattened."""
    shape = tuple(shape)
    problem = f"reshapes {value.shape} to {shape}"
    labels: list[Label] = [NOTHING] * len(shape)
    flattens = False
    for before, after in _groups(value.shape, shape):
        found = [value.labels[i] for i in before if value.labels[i] != NOTHING]
        large = [j for j in after if shape[j] > 1]
        if len(large) > 1:
            raise refuse(place, f"{problem}, which parts an axis; the language has no word for that")
        if BATCH in found and len(found) > 1:
            raise refuse(place, f"{problem}, which mixes examples")
        flattens |= (CHANNELS in found and len(found) > 1) or (not after and found not in ([], [CHANNELS]))
        if found and after:
            merged = tuple(axis for label in found if isinstance(label, tuple) for axis in label)
            labels[(large or after)[0]] = found[0] if len(found) == 1 else CHANNELS if CHANNELS in found else merged
    if not flattens:
        return relabelled(value, labels, shape)
    if any(isinstance(label, tuple) for label in labels):
        raise refuse(place, f"{problem}, which removes some of the positions only")
    return layer(value, nn.Flatten(), labels, shape, place, trained=False)


def _groups(before: tuple[int, ...], after: tuple[int, ...]) -> Iterator[tuple[list[int], list[int]]]:
    """Axes that hold the same entries before and after a reshape, as small groups as possible."""
    i = j = 0
    while i < len(before) and j < len(after):
        first, second = [i], [j]
        while math.prod(before[k] for k in first) != math.prod(after[k] for k in second):
            if math.prod(before[k] for k in first) < math.prod(after[k] for k in second):
                first.append(first[-1] + 1)
            else:
                second.append(second[-1] + 1)
        yield first, second
        i, j = first[-1] + 1, second[-1] + 1
    yield from (([k], []) for k in range(i, len(before)))
    yield from (([], [k]) for k in range(j, len(after)))


ENTRIES, LAST, FIRST, IMAGE, TOKENS, ANY = "entries", "last", "first", "image", "tokens", "any"
"""How a layer of another library takes its input: entry by entry; channels last and any axes before; channels, then positions;
positions, then channels; tokens without channels; in a way of its own."""


def applied(value: Value, word: nn.Layer, layout: str, shape: Sequence[int], place: str) -> Value:
    """A converted layer applied to a value, which must have the axes that it takes."""
    labels = list(value.labels)
    if layout == LAST:
        if labels[-1:] != [CHANNELS]:
            raise refuse(place, f"acts on the last axis of {value.shape}, which does not hold the channels")
        if isinstance(word, nn.Dense) and value.positions:
            word = nn.Linear(word.width, w_std=word.w_std, b_std=word.b_std)
    elif layout in (FIRST, IMAGE):
        single = [label for label in labels if label not in (BATCH, CHANNELS)]
        expected = [CHANNELS, *single] if layout == FIRST else [*single, CHANNELS]
        if not single or single != [(i,) for i in range(len(single))] or [x for x in labels if x != BATCH] != expected:
            order = "channels first" if layout == FIRST else "channels last"
            raise refuse(
                place,
                f"takes images with {order}; it receives a value of shape {value.shape} that is laid out otherwise",
            )
    elif layout == TOKENS:
        if CHANNELS in labels:
            raise refuse(place, "embeds values with channels; it takes tokens")
        labels.append(CHANNELS)
    elif layout == ANY and len(shape) != len(labels):
        labels = [label for label in labels if label == BATCH] + [CHANNELS]
        if len(shape) != len(labels):
            raise refuse(
                place, f"makes a value of shape {tuple(shape)} of one of {value.shape}; its axes are not known"
            )
    if isinstance(word, nn.GlobalAvgPool):
        labels = [NOTHING if isinstance(label, tuple) else label for label in labels]
    return layer(value, word, labels, shape, place, trained=layout != ENTRIES)


def inputs(input_shape: Sequence[int], batch: Sequence[int], tokens: bool, orders: Sequence[str]) -> list[Value]:
    """The possible readings of an input of a shape: tokens; or channels last, or first."""
    positions = [(i,) for i in range(len(input_shape) - 1)]
    readings: dict[str, list[Label]] = {LAST: [*positions, CHANNELS], FIRST: [CHANNELS, *positions]}
    if tokens:
        readings, orders = {TOKENS: [(i,) for i in range(len(input_shape))]}, [TOKENS]
    if len(input_shape) == 1:
        orders = orders[:1]
    return [source([BATCH] * len(batch) + readings[order], [*batch, *input_shape]) for order in orders]
