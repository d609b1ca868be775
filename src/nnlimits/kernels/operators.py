"""Linear maps of positions, axis by axis, of covariances at all displacements.

A matrix `A` maps the units at the old positions to those at the new ones, so covariances to `A K A'`. Several matrices
for one axis add their results: the taps of a transposed convolution, each with weights of its own.
"""

import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact

from nnlimits.kernels.collected import at_zero, every_image
from nnlimits.kernels.displacements import Field, apart, join
from nnlimits.kernels.mixture import Mixture, mixed
from nnlimits.kernels.positions import Positions, Window
from nnlimits.kernels.semivariance import visible_variance

Maps = Sequence[np.ndarray]
"""One array for each axis of positions, (number of matrices, new, old)."""


def window_map(window: Window, alive: int) -> np.ndarray:
    """The matrix of sums over windows, (1, new, old)."""
    matrix = np.zeros((1, window.outputs, alive))
    for sources in window.sources(window.outputs):
        inside = np.ones(window.outputs, bool) if window.wrap else (sources >= 0) & (sources < alive)
        np.add.at(matrix[0], (np.flatnonzero(inside), sources[inside] % alive), 1.0)
    return matrix


def averaged_positions(
    source: Field, maps: Maps, values: Array | None = None, grid: tuple[int, ...] | None = None
) -> Field:
    """The units at new positions as averages, the rows of one matrix an axis summing to one.

    With such weights `a`, `a K a' = (a q + a q') / 2 - a S a'`, so the average's own semivariance is `a S a'` less half of the
    same of either input with itself. `values`: those averages, if they are known already, on a ring of size `grid`.
    """
    positions = new_positions(source.positions, maps)
    if values is None or grid is None:
        values = mapped(every_image(source), source, maps)
    else:
        positions = dataclasses.replace(positions, grid=grid)

    def among_themselves() -> Array:
        return at_zero(values, source.pairs.count)

    def variance() -> Array:
        assert source.zero is not None
        mean = along_positions(visible_variance(source.zero.positions, source.zero.q1), maps)
        more = [(0, g - alive) for g, alive in zip(positions.grid, positions.alive, strict=True)]
        return jnp.pad(mean, [*more, (0, 0)]) - among_themselves()

    return mixed(source, Mixture(values, positions, variance, among_themselves))


def new_positions(positions: Positions, maps: Maps) -> Positions:
    """The positions after the maps: a ring of their own size, masked as before (then they are as many as before)."""
    sizes = tuple(each.shape[1] for each in maps)
    return Positions(sizes, sizes, masked=positions.masked, cyclic=True)


def along_positions(q: Inexact[Array, "*positions n"], maps: Maps) -> Inexact[Array, "*new n"]:
    """What belongs to single positions, mapped by the sum of each axis' matrices."""
    for axis, matrices in enumerate(maps):
        matrix = jnp.asarray(matrices.sum(0), q.dtype)
        q = jnp.moveaxis(
            jnp.tensordot(matrix, q[(slice(None),) * axis + (slice(0, matrix.shape[1]),)], (1, axis)), 0, axis
        )
    return q


def mapped(values: Array, source: Field, maps: Maps) -> Array:
    """Images at all displacements, on new positions."""
    axes = len(maps)
    values = apart(values, source.pairs.count)
    for axis, matrices in enumerate(maps):
        values = _dense(values, axis, axes, matrices, source.positions.alive[axis])
    return join(values)


def _dense(values: Array, axis: int, axes: int, matrices: np.ndarray, alive: int) -> Array:
    """Any matrices, through all pairs of positions of the axis."""
    values = jnp.moveaxis(values, (axis, axis + axes), (0, 1))
    p = np.arange(alive)
    plain = values[(p[None] - p[:, None]) % values.shape[0], p[:, None]]
    weights = jnp.asarray(matrices, values.real.dtype)
    # the second position first, as both are axes of one array
    half = jnp.einsum("mjq,pq...->mjp...", weights, plain)
    found = jnp.einsum("mip,mjp...->ij...", weights, half)
    i = np.arange(matrices.shape[1])
    shifted = found[i[None], (i[None] + i[:, None]) % len(i)]
    return jnp.moveaxis(shifted, (0, 1), (axis, axis + axes))
