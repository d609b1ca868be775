"""Kernel rules of the layers that give other positions: `ConvTranspose`, `ImageResize` and `Index`."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from nnlimits import nn
from nnlimits.kernels.collected import every_covariance
from nnlimits.kernels.convolution import patches, thinned
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.displacements import Field, derived, no_displacement
from nnlimits.kernels.linear import averaged, trained_bias
from nnlimits.kernels.mixing import mixing_rule
from nnlimits.kernels.mixture import from_covariances, mixed, stored
from nnlimits.kernels.operators import along_positions, averaged_positions, mapped, new_positions
from nnlimits.kernels.per_input import per_input
from nnlimits.kernels.pooling import positions_averaged
from nnlimits.kernels.positions import Positions, Window, window_sum
from nnlimits.kernels.rules import covariance_rule, positions_of
from nnlimits.kernels.semivariance import joined, parted


@mixing_rule.register
def _resize(layer: nn.ImageResize, source: Field, parameterization: str) -> Field:
    """Averages of the nearest positions; to their own number, it leaves them as they are, masked ones as well."""
    if layer.shape == source.positions.alive:
        return source
    return averaged_positions(source, [matrix[None] for matrix in layer.matrices(source.positions.alive)])


def _taps(layer: nn.ConvTranspose, alive: tuple[int, ...]) -> list[np.ndarray]:
    """Of each axis: for every tap, the input that each output sees through it, (taps, new, old)."""
    found = []
    for size, taps, stride, outputs, low in zip(alive, *layer.geometry((*alive, 1)), strict=True):
        matrices = np.zeros((taps, outputs, size))
        for tap in range(taps):
            places = stride * np.arange(size) + tap - low
            if layer.padding == "circular":
                places %= outputs
            inside = (places >= 0) & (places < outputs)
            matrices[tap, places[inside], np.flatnonzero(inside)] = 1.0
        found.append(matrices)
    return found


@covariance_rule.register
def _conv_transpose(layer: nn.ConvTranspose, covariance: Covariance, parameterization: str) -> Covariance:
    """Of the diagonal: `K'(p, p) = w_std^2 / taps sum_o K(i, i) + b_std^2`, over the taps through which an input is seen."""
    maps = _taps(layer, positions_of(layer, covariance).alive)

    def sums(values: Array, before: Positions) -> tuple[Array, Positions]:
        sizes = tuple(each.shape[1] for each in maps)
        return along_positions(values, maps), dataclasses.replace(before, alive=sizes, grid=sizes)

    return patches(layer, covariance, parameterization, sums, math.prod(each.shape[0] for each in maps))


@mixing_rule.register
def _conv_transpose_field(layer: nn.ConvTranspose, source: Field, parameterization: str) -> Field:
    """The same for any two outputs, each of which must see an input through the tap."""
    maps = _taps(layer, source.positions.alive)
    taps = math.prod(each.shape[0] for each in maps)
    values = mapped(every_covariance(source), source, maps) / taps
    nngp, ntk = parted(values, jnp.imag(values) if jnp.iscomplexobj(values) else None)
    after = layer.w_std**2 * nngp + (0.0 if layer.b_std is None else layer.b_std**2)
    if ntk is not None:
        fan_in = taps * source.at(no_displacement(source.axes)).width
        own = after if parameterization == "ntk" else fan_in * nngp + trained_bias(layer)
        ntk = own + layer.w_std**2 * ntk
    positions = new_positions(source.positions, maps)
    return mixed(source, from_covariances(joined(after, ntk), positions, source.pairs.count, layer))


def _slices(layer: nn.Index, alive: tuple[int, ...]) -> tuple[tuple[Window, ...], tuple[int, ...]]:
    """What `layer` picks as windows of one tap, and the axes that go."""
    through, gone = [], []
    for axis, size in enumerate(alive):
        item = layer.items[axis] if axis < len(layer.items) else (None, None, None)
        if isinstance(item, int):
            picked = range(item % size, item % size + 1)
            gone.append(axis)
        else:
            picked = range(*slice(*item).indices(size))
        if picked.step < 0:
            raise NotImplementedError(f"{layer!r} goes backward, which has no kernel rule; use a positive step")
        through.append(Window(1, picked.step, 1, -picked.start, False, len(picked)))
    return tuple(through), tuple(gone)


@covariance_rule.register
def _index(layer: nn.Index, covariance: Covariance, parameterization: str) -> Covariance:
    """Of the diagonal."""
    before = positions_of(layer, covariance)
    through, gone = _slices(layer, before.alive)
    picked = _picked(covariance, through)
    return averaged(picked, gone) if gone else picked


def _picked(covariance: Covariance, through: tuple[Window, ...]) -> Covariance:
    before = covariance.positions
    assert before is not None
    q1, q2 = per_input(lambda q: window_sum(q, before, through)[0], covariance.q1, covariance.q2)
    values, positions = window_sum(joined(covariance.deficit, covariance.ntk), before, through)
    deficit, ntk = parted(values, covariance.ntk)
    # a position that is picked counts, masked or not: a recurrent network keeps its last state there
    positions = dataclasses.replace(positions, mask=None, masked=False)
    same = thinned(covariance.same, before, positions)
    return dataclasses.replace(covariance, q1=q1, q2=q2, deficit=deficit, ntk=ntk, same=same, positions=positions)


@mixing_rule.register
def _index_field(layer: nn.Index, source: Field, parameterization: str) -> Field | Covariance:
    through, gone = _slices(layer, source.positions.alive)
    steps = tuple(window.stride for window in through)
    grid = tuple(-(-size // step) * step for size, step in zip(source.positions.grid, steps, strict=True))
    if grid != source.positions.grid:
        source = stored(source, grid)
    picked = derived(source, lambda d: _picked(source.image(d), through), steps)
    return positions_averaged(picked, gone) if gone else picked
