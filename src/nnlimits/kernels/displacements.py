"""Covariances at all displacements, computed one displacement at a time.

A `Field` is the covariance of pairs of images as a function of the displacement. Layers that keep the displacement make
a new field of it without computing anything; a layer that mixes displacements asks for the images it needs (see
`collected.py`): the diagonal alone, the sum over all, or all of them side by side.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.per_input import Place, of_examples, read, stage
from nnlimits.kernels.positions import Positions

Displacement = tuple[Int[Array, ""], ...]


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Which examples of the two batches are paired, in one row."""

    first: Int[Array, " pairs"]
    second: Int[Array, " pairs"]

    @property
    def count(self) -> int:
        """Number of pairs."""
        return self.first.shape[0]

    @property
    def places(self) -> tuple[Place, Place]:
        """From what is known of each example, its axis last, to what goes with the pairs."""
        return lambda known: known[..., self.first] if known.ndim else known, (
            lambda known: known[..., self.second] if known.ndim else known
        )


@dataclasses.dataclass(frozen=True)
class Field:
    """The covariance of pairs of images at any displacement."""

    pairs: Pairs
    positions: Positions
    fresh: bool
    """As of a `Covariance`."""
    graphs: Array | None
    """While a batch of graphs is recorded: their adjacency matrices, (nodes, nodes, n); later, zero."""
    zero: Covariance | None
    """While a batch is recorded: of every example with itself at displacement zero, arrays of shape (*grid, n)."""
    at: Callable[[Displacement], Covariance]
    """The image of all pairs; the pairs' axis is joined with the last one of positions."""

    @property
    def axes(self) -> int:
        """Number of axes of positions."""
        return len(self.positions.grid)

    def image(self, displacement: Displacement | None) -> Covariance:
        """`at` a displacement; with `None`, `zero`."""
        if displacement is not None:
            return self.at(displacement)
        assert self.zero is not None
        return self.zero


def field(
    pairs: Pairs,
    compute: Callable[[Displacement | None], Covariance],
    strides: tuple[int, ...],
    graphs: Array | None = None,
) -> Field:
    """The field of images that `compute` makes of a displacement, or, of `None`, of every example with itself.

    `compute` receives displacements multiplied by the strides of its layers, axis by axis.
    """
    zero, known1, known2 = stage(lambda: compute(None))
    kind, _ = of_examples(lambda: _kind(zero))
    positions = kind.positions
    axes = len(positions.grid)
    grid = tuple(g * s for g, s in zip(positions.grid, strides, strict=True))
    first = jax.tree.map(lambda v: _spread(v, pairs.first, axes), known1)
    second = jax.tree.map(lambda v: _twice(_spread(v, pairs.second, axes), axes), known2)

    def at(displacement: Displacement) -> Covariance:
        before = tuple(d * s for d, s in zip(displacement, strides, strict=True))
        places = (lambda v: v, lambda v: _moved(v, before, grid, pairs.count))
        return read(first, second, lambda: compute(before), places)

    return Field(pairs, positions, kind.fresh, graphs, zero, at)


def derived(
    source: Field, compute: Callable[[Displacement | None], Covariance], strides: tuple[int, ...] | None = None
) -> Field:
    """A `field` of the same inputs as another."""
    return field(source.pairs, compute, (1,) * source.axes if strides is None else strides, source.graphs)


class _Kind(eqx.Module):
    """What is the same for all inputs."""

    positions: Positions
    fresh: bool = eqx.field(static=True)


def _kind(covariance: Covariance | None) -> _Kind:
    assert covariance is not None
    assert covariance.positions is not None
    return _Kind(dataclasses.replace(covariance.positions, displacement=None, mask=None), covariance.fresh)


def _spread(known: Array, examples: Int[Array, " pairs"], axes: int) -> Array:
    """What is known of examples, for the row of pairs, whose axis is joined with that of the last position."""
    if not known.ndim:
        return known
    known = known[..., examples]
    return join(known) if axes else known


def join(image: Array) -> Array:
    """The axis of pairs joined with the last one of positions."""
    return image.reshape(*image.shape[:-2], -1)


def apart(image: Array, pairs: int) -> Array:
    """The axis of pairs by itself."""
    return image.reshape(*image.shape[:-1], -1, pairs)


def _twice(known: Array, axes: int) -> Array:
    """Two periods along every axis of positions, so that a displaced image is a slice."""
    for axis in range(-axes, 0) if known.ndim else ():
        known = jnp.concatenate([known, known], axis)
    return known


def _moved(known: Array, displacement: Displacement, grid: tuple[int, ...], pairs: int) -> Array:
    """The slice of a displaced image; the displacement is one on `grid`, and less on the coarser grids after it."""
    if not known.ndim:
        return known
    axes = len(grid)
    rest = known.ndim - axes
    sizes = [size // 2 for size in known.shape[rest:]]
    here = [*sizes[:-1], sizes[-1] // pairs]
    starts = [d * size // g for d, size, g in zip(displacement, here, grid, strict=True)]
    starts[-1] = starts[-1] * pairs
    return slice_at(known, [0] * rest + starts, (*known.shape[:rest], *sizes))


def slice_at(array: Array, starts: list[Any], shape: tuple[int, ...]) -> Array:
    """A slice of a given shape; places known and unknown while tracing may be mixed."""
    return jax.lax.dynamic_slice(array, [jnp.asarray(start, jnp.int32) for start in starts], shape)


def no_displacement(axes: int) -> Displacement:
    """Zero along every axis, as any other displacement."""
    return (jnp.zeros((), jnp.int32),) * axes


def all_displacements(grid: tuple[int, ...]) -> Int[Array, "displacements axes"]:
    """Every displacement of a ring, in order."""
    return jnp.asarray(np.array(list(np.ndindex(*grid)), np.int32).reshape(-1, len(grid)))


def number(d: Displacement | None, grid: tuple[int, ...]) -> Array:
    """The place of a displacement among all; of `None`, that of zero."""
    number = jnp.zeros((), jnp.int32)
    for step, size in zip(d or (), grid, strict=d is not None):
        number = number * size + step
    return number
