"""Kernel rules of the layers that average over positions, or remove them: pooling and `Flatten`."""

import dataclasses
import functools
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from nnlimits import nn
from nnlimits.kernels.collected import both, every_block, shown, total
from nnlimits.kernels.covariance import Covariance, positive
from nnlimits.kernels.displacements import Displacement, Field, apart, derived, join, no_displacement
from nnlimits.kernels.grids import blocks_of
from nnlimits.kernels.linear import affine
from nnlimits.kernels.mixing import mixing_rule
from nnlimits.kernels.operators import averaged_positions, window_map
from nnlimits.kernels.per_input import of_examples, per_input
from nnlimits.kernels.positions import Positions, Window, windows
from nnlimits.kernels.semivariance import deficit_of, parted


@mixing_rule.register
def _global_average(layer: nn.GlobalAvgPool, source: Field, parameterization: str) -> Covariance:
    """`K' = mean K(p, p')` over all pairs of positions."""
    return _everywhere(source)[0]


@mixing_rule.register
def _global_sum(layer: nn.GlobalSumPool, source: Field, parameterization: str) -> Covariance:
    """The average, times the number of positions of either input."""
    after, count1, count2 = _everywhere(source)
    ntk = None if after.ntk is None else count1 * count2 * after.ntk
    return dataclasses.replace(after, q1=count1**2 * after.q1, q2=count2**2 * after.q2, ntk=ntk)


def _everywhere(source: Field) -> tuple[Covariance, Array, Array]:
    """The average over all pairs of positions, and the number of positions of either input.

    With weights `a` that sum to one, `a K a' = (a q + a q') / 2 - a S a'`, so the average's own semivariance is `a S a'`
    less half of the same of either input with itself.
    """
    like = source.at(no_displacement(len(source.positions.grid)))
    count1, count2 = of_examples(lambda: _unmasked_positions(source))
    mean, ntk = parted(total(source) / (count1 * count2), like.ntk)
    less1, less2 = of_examples(lambda: mean)
    q1, q2 = of_examples(lambda: positive(_mean_variance(source) - mean))
    s = mean - (less1 + less2) / 2
    same = None if like.same is None else _lanes(like.same, source.pairs.count)
    deficit = deficit_of(s, q1, q2)
    after = dataclasses.replace(
        like,
        q1=q1,
        q2=q2,
        deficit=deficit if same is None else jnp.where(same, 0.0, deficit),
        ntk=ntk,
        same=same,
        positions=None,
    )
    return after, count1, count2


def _lanes(same: Array, pairs: int) -> Array:
    """Which pairs are of one example, from an image at displacement zero."""
    return same.reshape(-1)[:pairs]


def _unmasked_positions(source: Field) -> Array:
    assert source.zero is not None
    seen = _seen(source)
    return seen.sum(tuple(range(source.axes))).astype(source.zero.q1.dtype)


def _mean_variance(source: Field) -> Array:
    assert source.zero is not None
    seen, axes = _seen(source), tuple(range(source.axes))
    return jnp.where(seen, source.zero.q1, 0.0).sum(axes) / seen.sum(axes)


def _seen(source: Field) -> Array:
    """Which positions count, of every example, (*grid, n)."""
    assert source.zero is not None
    assert source.zero.positions is not None
    return source.zero.positions.seen(source.zero.q1)


@mixing_rule.register
def _average(layer: nn.AvgPool, source: Field, parameterization: str) -> Field:
    through = windows(layer, source.positions.alive)
    return _pooled(source, through, 1 / math.prod(window.taps for window in through))


@mixing_rule.register
def _sum(layer: nn.SumPool, source: Field, parameterization: str) -> Field:
    return _pooled(source, windows(layer, source.positions.alive), 1.0)


def _pooled(source: Field, through: tuple[Window, ...], scale: float) -> Field:
    """Averages over what each window sees, times how much it sees."""
    maps = [window_map(window, alive) for window, alive in zip(through, source.positions.alive, strict=True)]
    seen = [each.sum((0, 2)) for each in maps]
    means = [each / size[:, None] for each, size in zip(maps, seen, strict=True)]
    sizes = blocks_of(through, source.positions.alive)
    if sizes is not None and all(g % size == 0 for g, size in zip(source.positions.grid, sizes, strict=True)):
        values = every_block(source, sizes) / math.prod(sizes) ** 2
        grid = tuple(g // size for g, size in zip(source.positions.grid, sizes, strict=True))
        pooled = averaged_positions(source, means, values, grid)
    else:
        pooled = averaged_positions(source, means)
    return rescaled(pooled, scale * functools.reduce(np.multiply.outer, _on_grid(seen, pooled.positions.grid)))


def _on_grid(seen: list[np.ndarray], grid: tuple[int, ...]) -> list[np.ndarray]:
    return [np.pad(each, (0, size - len(each)), mode="edge") for each, size in zip(seen, grid, strict=True)]


def rescaled(source: Field, gain: np.ndarray) -> Field:
    """The units at each position times a number of its own."""
    if (gain == 1).all():
        return source

    def compute(d: Displacement | None) -> Covariance:
        image = source.image(d)
        known = (
            gain if d is not None else jnp.broadcast_to(jnp.asarray(gain, image.q1.dtype)[..., None], image.q1.shape)
        )
        gain1, gain2 = per_input(lambda v: v, known, known)
        q1, q2 = per_input(lambda q: q, image.q1 * gain1**2, image.q2 * gain2**2)
        return dataclasses.replace(image, q1=q1, q2=q2, ntk=None if image.ntk is None else image.ntk * gain1 * gain2)

    return derived(source, compute)


@mixing_rule.register
def _flatten(layer: nn.Flatten, source: Field, parameterization: str) -> Covariance:
    """Only the diagonal counts. Weights must follow, which average over it: units at two positions differ in variance."""
    after = positions_averaged(source, tuple(range(len(source.positions.grid))))
    assert isinstance(after, Covariance)
    return dataclasses.replace(after, gaussian=False)


@mixing_rule.register
def _linear(layer: nn.Linear, source: Field, parameterization: str) -> Field | Covariance:
    """Averages over the contracted positions, then maps the units."""
    averaged = positions_averaged(source, layer.contracted((*source.positions.alive, 1))[:-1])
    if isinstance(averaged, Covariance):
        return affine(layer, averaged, parameterization)
    return derived(averaged, lambda d: affine(layer, averaged.image(d), parameterization))


def positions_averaged(source: Field, axes: tuple[int, ...]) -> Field | Covariance:
    """The average of the covariances at equal positions along some axes, which go; the units of all of them count as width."""
    rest = tuple(axis for axis in range(source.axes) if axis not in axes)
    source = shown(source)

    def compute(d: Displacement | None) -> Covariance:
        if d is None:
            return _averaged(source.image(None), axes, None)
        known = dict(zip(rest, d, strict=True))
        full = tuple(known.get(axis, jnp.zeros((), jnp.int32)) for axis in range(source.axes))
        return _averaged(source.at(full), axes, source.pairs.count)

    if rest:
        return derived(source, compute, (1,) * len(rest))
    return compute(None) if source.zero is not None else compute(())


def _averaged(image: Covariance, axes: tuple[int, ...], pairs: int | None) -> Covariance:
    """Of one image, whose axis of pairs is joined with the last one of positions unless `pairs` is `None`."""
    positions = image.positions
    assert positions is not None
    rest = [axis for axis in range(len(positions.alive)) if axis not in axes]
    count = math.prod(positions.alive[axis] for axis in axes)

    def mean(values: Array) -> Array:
        values = values if pairs is None else apart(values, pairs)
        for axis in axes:
            values = values[(slice(None),) * axis + (slice(0, positions.alive[axis]),)]
        values = values.sum(axes) / count
        return values if pairs is None or not rest else join(values)

    q1, q2 = per_input(lambda q: q, mean(image.q1), mean(image.q2))
    s, ntk = parted(mean(both(image)), image.ntk)
    moved = None if positions.displacement is None else tuple(positions.displacement[axis] for axis in rest)
    grid, alive = (tuple(sizes[axis] for axis in rest) for sizes in (positions.grid, positions.alive))
    same = image.same
    if same is not None and pairs is not None:
        same = same.reshape(-1)[: math.prod(grid[-1:]) * pairs]
    return dataclasses.replace(
        image,
        q1=q1,
        q2=q2,
        deficit=deficit_of(s, q1, q2),
        ntk=ntk,
        width=image.width * count,
        same=same,
        positions=Positions(alive, grid, moved, cyclic=True) if rest else None,
    )
