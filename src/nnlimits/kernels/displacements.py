"""Covariances at all displacements, computed one displacement at a time.

A `Field` is the covariance of pairs of images as a function of the displacement. Layers that keep the displacement make
a new field of it without computing anything; a layer that mixes displacements asks for the images it needs: the
diagonal alone, the sum over all, or all of them side by side.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance, positive
from nnlimits.kernels.per_input import Place, of_examples, per_input, read, stage
from nnlimits.kernels.positions import Positions
from nnlimits.kernels.semivariance import deficit_of, joined, parted, visible_variance

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


def _all(grid: tuple[int, ...]) -> Int[Array, "displacements axes"]:
    return jnp.asarray(np.array(list(np.ndindex(*grid)), np.int32).reshape(-1, len(grid)))


def shown(source: Field) -> Field:
    """The same field with variances of zero, exactly there, where positions are masked or beyond the image."""

    def compute(d: Displacement | None) -> Covariance:
        image = source.image(d)
        q1, q2 = per_input(partial(visible_variance, image.positions), image.q1, image.q2)
        return dataclasses.replace(image, q1=q1, q2=q2)

    return source if source.positions.all_seen else derived(source, compute)


def both(image: Covariance, beyond: float = 1.0) -> Array:
    """Semivariance and NTK of an image of a field that is `shown`, in one array.

    `beyond`: how much the semivariance with a unit that is not seen counts.
    """
    # not through `per_input`: the image's own variances are at hand
    r1, r2 = safe_root(image.q1), safe_root(image.q2)
    s, ntk = r1 * r2 * image.deficit + (r1 - r2) ** 2 / 2, image.ntk
    if image.positions is None or image.positions.all_seen:
        return joined(s, ntk)
    seen = (image.q1 > 0) & (image.q2 > 0)
    return joined(s if beyond else jnp.where(seen, s, 0.0), None if ntk is None else jnp.where(seen, ntk, 0.0))


def safe_root(q: Array) -> Array:
    """`sqrt(q)`, with a derivative of zero at zero."""
    return jnp.where(q > 0, jnp.sqrt(jnp.where(q > 0, q, 1.0)), 0.0)


def every_image(source: Field, beyond: float = 1.0) -> Array:
    """`both` at all displacements: their axes lead, one for each axis of positions."""
    grid = source.positions.grid
    source = shown(source)
    found = jax.lax.map(lambda d: both(source.at(tuple(d)), beyond), _all(grid))
    return found.reshape(*grid, *found.shape[1:])


def every_covariance(source: Field) -> Array:
    """NNGP, with zeros where a position is not seen, and NTK at all displacements, as `every_image`."""
    source = shown(source)

    def covariances(d: Array) -> Array:
        image = source.at(tuple(d))
        ntk = jnp.imag(both(image)) if image.ntk is not None else None
        return joined(safe_root(image.q1) * safe_root(image.q2) * (1 - image.deficit), ntk)

    found = jax.lax.map(covariances, _all(source.positions.grid))
    return found.reshape(*source.positions.grid, *found.shape[1:])


def at_zero(values: Array, pairs: int) -> Array:
    """The real part of images at all displacements, of none: (*grid, pairs)."""
    return apart(jnp.real(values[(0,) * ((values.ndim) // 2)]), pairs)


def total(source: Field) -> Array:
    """The sum of `both` over all pairs of positions that are seen: one row of pairs."""
    axes, pairs = len(source.positions.grid), source.pairs.count
    source = shown(source)

    def image(d: Displacement) -> Array:
        return apart(both(source.at(d), beyond=0.0), pairs)

    def add(sum_: Array, d: Array) -> tuple[Array, None]:
        return sum_ + image(tuple(d)).sum(tuple(range(axes))), None

    like = jax.eval_shape(lambda: image(no_displacement(axes)))
    return jax.lax.scan(add, jnp.zeros(pairs, like.dtype), _all(source.positions.grid))[0]


@dataclasses.dataclass(frozen=True)
class Mixture:
    """What a layer that mixes displacements makes of one batch of pairs."""

    values: Array
    """Semivariance and NTK at all displacements, with what is to be taken off for either input."""
    positions: Positions
    variance: Callable[[], Array]
    """While a batch is recorded: of every example, (*grid, n)."""
    less: Callable[[], Array] = lambda: jnp.zeros(())
    """While a batch is recorded: the part of the semivariance that is too much for every example, (*grid, n)."""
    layer: nn.Layer | None = None
    """The layer with fresh Gaussian weights that the units leave, if one does."""


def from_covariances(values: Array, positions: Positions, pairs: int, layer: nn.Layer | None = None) -> Mixture:
    """A mixture from NNGP and NTK at all displacements: its semivariance is the mean of the variances, less the NNGP."""
    ntk = jnp.imag(values) if jnp.iscomplexobj(values) else None

    def variance() -> Array:
        return at_zero(values, pairs)

    return Mixture(joined(-jnp.real(values), ntk), positions, variance, lambda: -variance(), layer)


def mixed(source: Field, mixture: Mixture, masks: Field | None = None) -> Field:
    """The field of what a layer has made of all displacements; positions are masked as those of `masks`, or of the source."""
    masks = source if masks is None else masks
    axes, pairs = len(mixture.positions.grid), source.pairs.count
    like = source.at(no_displacement(len(source.positions.grid)))
    if mixture.layer is not None:
        width = jnp.asarray(float(mixture.layer.width), like.width.dtype)
        like = dataclasses.replace(like, fresh=True, gaussian=True, width=width)

    def compute(d: Displacement | None) -> Covariance:
        q, less = (mixture.variance(), mixture.less()) if d is None else (like.q1, like.q1)
        q1, q2 = per_input(positive, q, q)
        less1, less2 = per_input(lambda v: v, less, less)
        values = jax.lax.dynamic_index_in_dim(
            mixture.values.reshape(-1, *mixture.values.shape[axes:]), _number(d, mixture.positions.grid), keepdims=False
        )
        s, ntk = parted(apart(values, pairs) if d is None else values, like.ntk)
        deficit = deficit_of(s - (less1 + less2) / 2, q1, q2)
        same = None
        if like.same is not None:
            here = jnp.ones(pairs, bool) if d is None else like.same[..., -pairs:].reshape(-1)[-pairs:]
            same = here if d is None else jnp.tile(here, mixture.positions.grid[-1]) & ~jnp.stack(d).any()
            deficit = jnp.where(same, 0.0, deficit)
        mask = _mask(masks, mixture.positions) if d is None and mixture.positions.masked else None
        positions = dataclasses.replace(mixture.positions, displacement=d, mask=mask)
        return dataclasses.replace(like, q1=q1, q2=q2, deficit=deficit, ntk=ntk, same=same, positions=positions)

    return derived(source, compute, (1,) * axes)


def _mask(source: Field, positions: Positions) -> Array:
    """Where the examples of a batch that is recorded mask positions, on another grid of the same image."""
    assert source.zero is not None
    assert source.zero.positions is not None
    assert source.zero.positions.mask is not None
    mask = source.zero.positions.mask[tuple(slice(0, size) for size in positions.alive)]
    more = [(0, grid - alive) for grid, alive in zip(positions.grid, positions.alive, strict=True)]
    return jnp.pad(mask, [*more, (0, 0)])


def _number(d: Displacement | None, grid: tuple[int, ...]) -> Array:
    number = jnp.zeros((), jnp.int32)
    for step, size in zip(d or (), grid, strict=d is not None):
        number = number * size + step
    return number


def stored(source: Field, grid: tuple[int, ...] | None = None) -> Field:
    """The same field with all its images in memory, for more than one use; perhaps on another grid."""
    positions = source.positions
    grid = positions.grid if grid is None else grid
    values = apart(every_image(source), source.pairs.count)
    for axis, (new, old, alive) in enumerate(zip(grid, positions.grid, positions.alive, strict=True)):
        if new != old:
            values = _regridded(values, axis, source.axes, new, alive)

    def variance() -> Array:
        assert source.zero is not None
        kept = source.zero.q1[tuple(slice(0, size) for size in positions.alive)]
        return jnp.pad(kept, [(0, g - a) for g, a in zip(grid, positions.alive, strict=True)] + [(0, 0)])

    return mixed(source, Mixture(join(values), dataclasses.replace(positions, grid=grid), variance))


def _regridded(values: Array, axis: int, axes: int, new: int, alive: int) -> Array:
    """Images on another grid along one axis: the same pairs of positions have other displacements."""
    values = jnp.moveaxis(values, (axis, axis + axes), (0, 1))
    displacement, first = np.indices((new, new))
    second = (first + displacement) % new
    first, second = np.minimum(first, alive - 1), np.minimum(second, alive - 1)
    return jnp.moveaxis(values[(second - first) % values.shape[0], first], (0, 1), (axis, axis + axes))
