"""Where the units of a layer are: the positions of an image, a sequence or a graph, two of them for every covariance.

The covariance of two images at positions `p` and `p'` is stored by `p` and the *displacement* `d = p' - p`, taken
cyclically on a grid at least as large as the image. For one displacement that is again an image: activations act on it
position by position, and a convolution, whose patches keep the displacement, adds shifted copies of it (a box filter).
So a network computes displacement by displacement, each in the cache. The diagonal `p = p'` is the displacement zero, and
all that a network which ends in `Flatten` needs.
"""

import dataclasses
import functools
import math
import operator
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Inexact, Int, Shaped

from nnlimits import nn


class Positions(eqx.Module):
    """The position axes of an image of covariances, which lead its arrays; then come the pairs."""

    alive: tuple[int, ...] = eqx.field(static=True)
    """How many positions the image has, axis by axis."""
    grid: tuple[int, ...] = eqx.field(static=True)
    """How many are stored. Those beyond the image, where zero padding is read, hold finite numbers that mean nothing."""
    displacement: tuple[Int[Array, ""], ...] | None = None
    """Position of the second input minus that of the first, modulo the grid; `None` for zero."""
    mask: Bool[Array, "..."] | None = None
    """Where single inputs mask their positions, while a batch is recorded."""
    masked: bool = eqx.field(static=True, default=False)
    """Whether inputs mask positions."""
    flat: bool = eqx.field(static=True, default=False)
    """Whether the positions are units like any others since a `Flatten`."""
    cyclic: bool = eqx.field(static=True, default=False)
    """Whether other displacements than zero are computed as well, so that the grid is a ring."""

    @property
    def count(self) -> int:
        """Number of positions of the image."""
        return math.prod(self.alive)

    @property
    def all_seen(self) -> bool:
        """Whether no position is masked or beyond the image."""
        return self.alive == self.grid and not self.masked

    def seen(self, like: Array) -> Bool[Array, "..."]:
        """Which positions are neither masked nor beyond the image, for what belongs to single inputs."""
        shape = (*self.grid, -1)  # pairs have axes of their own, or one joined with the last of positions
        seen = jnp.ones((), bool)
        for axis, (alive, grid) in enumerate(zip(self.alive, self.grid, strict=True)):
            seen = seen & (jnp.arange(grid) < alive).reshape(grid, *(1,) * (len(self.grid) - axis))
        if self.mask is not None:
            seen = seen & ~self.mask.reshape(shape)
        return jnp.broadcast_to(seen, like.reshape(shape).shape).reshape(like.shape)


@dataclasses.dataclass(frozen=True)
class Window:
    """How the outputs along one axis see its inputs: output `p` sees `stride * p + dilation * tap - low` for every tap."""

    taps: int
    stride: int
    dilation: int
    low: int
    wrap: bool
    outputs: int

    def sources(self, outputs: int) -> np.ndarray:
        """Input seen by the first `outputs` outputs through each tap, (taps, outputs); may lie outside the image."""
        return self.stride * np.arange(outputs) + self.dilation * np.arange(self.taps)[:, None] - self.low


def windows(
    layer: nn.Conv | nn.LocallyConnected | nn.AvgPool | nn.SumPool, alive: tuple[int, ...]
) -> tuple[Window, ...]:
    """The windows of a layer over an image, axis by axis."""
    found = layer.windows((*alive, 1))
    axes = zip(found.kernel, found.stride, found.dilation, found.low, found.outputs, strict=True)
    return tuple(
        Window(taps, stride, dilation, low, found.circular, outputs) for taps, stride, dilation, low, outputs in axes
    )


def window_sum(
    values: Inexact[Array, "..."], positions: Positions, through: Sequence[Window]
) -> tuple[Inexact[Array, "..."], Positions]:
    """Sum over the taps of equal windows at both inputs' positions, and the positions of the result.

    Works at one displacement, which must be a multiple of the strides, as a ring must be. A ring must hold zeros for what
    windows see beyond the image.
    """
    shape, alive, grid = values.shape, list(positions.alive), list(positions.grid)
    moved = None if positions.displacement is None else list(positions.displacement)
    for axis, window in enumerate(through):
        view = values.reshape(math.prod(grid[:axis]), grid[axis], -1)
        outputs = grid[axis] // window.stride if positions.cyclic else window.outputs
        values = _along(view, window, outputs, ring=positions.cyclic or window.wrap)
        alive[axis], grid[axis] = window.outputs, outputs
        if moved is not None:
            moved[axis] = moved[axis] // window.stride
    after = dataclasses.replace(
        positions, alive=tuple(alive), grid=tuple(grid), displacement=None if moved is None else tuple(moved)
    )
    return values.reshape(_layout(shape, positions.grid, after.grid)), after


def _layout(shape: tuple[int, ...], grid: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of an image on another grid; the axes of pairs follow, or one is joined with the last of positions."""
    if len(shape) == len(grid):
        return (*new[:-1], new[-1] * (shape[-1] // grid[-1]))
    return (*new, *shape[len(grid) :])


def _found(x: Array) -> Array:
    """`x` as it is: XLA would make slices of what was attached of slices of the whole, and repeat what leads to it."""
    return lax.optimization_barrier(x)


def _along(x: Shaped[Array, "before grid after"], window: Window, outputs: int, *, ring: bool) -> Shaped[Array, "..."]:
    """Sum over the taps along the middle axis; beyond its ends it goes on from the other end, or with zeros."""
    before, grid, after = x.shape
    sources = window.sources(outputs)
    low, high = max(-int(sources.min()), 0), max(int(sources.max()) + 1 - grid, 0)
    x = x.reshape(before, -1)  # one long axis in the place of two, the last of them perhaps short
    x = _found(x)
    if low or high:
        if ring:
            first, last = x[:, (grid - low) * after :], x[:, : high * after]
        else:
            first, last = (jnp.zeros((before, size * after), x.dtype) for size in (low, high))
        x = jnp.concatenate([first, x, last], axis=1)
    x = _found(x)
    starts = (sources[:, 0] + low).tolist()
    if window.stride == 1:
        return functools.reduce(operator.add, (x[:, start * after : (start + outputs) * after] for start in starts))
    x = x.reshape(before, -1, after)
    end = window.stride * (outputs - 1) + 1
    parts = (x[:, start : start + end : window.stride] for start in starts)
    return functools.reduce(operator.add, parts)
