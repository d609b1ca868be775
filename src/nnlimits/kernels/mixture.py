"""From what a layer has made of all displacements to a field again."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from nnlimits import nn
from nnlimits.kernels.collected import at_zero, every_image
from nnlimits.kernels.covariance import Covariance, positive
from nnlimits.kernels.displacements import Displacement, Field, apart, derived, join, no_displacement, number
from nnlimits.kernels.per_input import per_input
from nnlimits.kernels.positions import Positions
from nnlimits.kernels.semivariance import deficit_of, joined, parted


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
    layer: nn.ConvTranspose | nn.SelfAttention | None = None
    """The layer with fresh Gaussian weights that the units leave, if one does."""


def from_covariances(
    values: Array, positions: Positions, pairs: int, layer: nn.ConvTranspose | nn.SelfAttention | None = None
) -> Mixture:
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
        like = dataclasses.replace(like, fresh=True, gaussian=True, width=width, gains=0)

    def compute(d: Displacement | None) -> Covariance:
        q, less = (mixture.variance(), mixture.less()) if d is None else (like.q1, like.q1)
        q1, q2 = per_input(positive, q, q)
        less1, less2 = per_input(lambda v: v, less, less)
        values = jax.lax.dynamic_index_in_dim(
            mixture.values.reshape(-1, *mixture.values.shape[axes:]), number(d, mixture.positions.grid), keepdims=False
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
