"""Layers that mix displacements, and networks that contain some.

Such a layer gets the `Field` of its inputs and gives that of its outputs, or, where no positions are left, a
`Covariance`. Rows of other layers between them are evaluated one displacement at a time, by their ordinary rules.
"""

import dataclasses
from functools import singledispatch
from itertools import takewhile

from nnlimits import nn
from nnlimits.kernels.blocks import flatten
from nnlimits.kernels.combinators import merge_rule
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.displacements import Displacement, Field, derived
from nnlimits.kernels.grids import Sizes, grid_for, is_ring, members, row_of_one_grid
from nnlimits.kernels.mixture import stored
from nnlimits.kernels.rules import covariance_rule

State = Field | Covariance


@singledispatch
def mixing_rule(layer: nn.Layer, source: Field, parameterization: str) -> State:
    """The covariances after a layer that mixes displacements.

    **Raises:** `NotImplementedError` for a layer without a rule.
    """
    raise NotImplementedError(f"{type(layer).__name__} has no rule for the infinite-width kernel at all displacements")


def is_mixing(layer: nn.Layer) -> bool:
    """Whether the layer, or one inside it, cannot be evaluated one displacement at a time."""
    if isinstance(layer, nn.Linear) and layer.axes == (-1,):
        return False
    inside = members(layer)
    return any(map(is_mixing, inside)) if inside else mixing_rule.dispatch(type(layer)) is not _NO_RULE


_NO_RULE = mixing_rule.dispatch(object)


def needs_all_displacements(layer: nn.Layer) -> bool:
    """Whether the diagonal of the inputs' covariance does not determine that of the outputs'."""
    inside = members(layer)
    if isinstance(layer, nn.Masked) and any(map(_is_recurrent, inside)):
        return True  # the last states are at positions that differ
    if inside:
        return any(map(needs_all_displacements, inside))
    return is_mixing(layer) and not isinstance(layer, nn.Flatten | nn.Linear | nn.Index | nn.ConvTranspose | nn.Rnn)


def _is_recurrent(layer: nn.Layer) -> bool:
    return isinstance(layer, nn.Rnn) or any(map(_is_recurrent, members(layer)))


def run(layers: tuple[nn.Layer, ...], state: State, parameterization: str) -> State:
    """The covariances after a row of layers."""
    rest = flatten(layers)
    while rest and isinstance(state, Field):
        if is_mixing(rest[0]):
            state, rest = mixing_rule(rest[0], state, parameterization), rest[1:]
        else:
            ahead = row_ahead(rest, state.positions.alive)
            row = tuple(takewhile(lambda layer: not is_mixing(layer), ahead))
            state, rest = _local(row, state, ahead, parameterization), rest[len(row) :]
    return covariance_rule(nn.Sequential(*rest), state, parameterization) if isinstance(state, Covariance) else state


def row_ahead(layers: tuple[nn.Layer, ...], alive: Sizes) -> tuple[nn.Layer, ...]:
    """The first of some layers that one grid serves: those that keep displacements, and those after one pooling in blocks.

    More of them would ask for a larger grid; the images after a pooling are few enough to be put on another one.
    """
    row = tuple(takewhile(lambda layer: not is_mixing(layer), layers))
    rest = layers[len(row) :]
    if row and rest and isinstance(rest[0], nn.AvgPool | nn.SumPool):
        row = (*row, rest[0], *takewhile(lambda layer: not is_mixing(layer), rest[1:]))
    return row_of_one_grid(row, alive)


def _local(layers: tuple[nn.Layer, ...], source: Field, ahead: tuple[nn.Layer, ...], parameterization: str) -> Field:
    """A row of layers, one displacement at a time; `ahead`: with those after it that the same grid serves."""
    now, alive = source.positions.grid, source.positions.alive
    grid, strides = grid_for(ahead, alive)
    fits = all(g >= least and g % stride == 0 for g, least, stride in zip(now, grid, strides, strict=True))
    if not fits or (now != alive and is_ring(layers)):
        source = stored(source, grid)
    network = nn.Sequential(*layers)
    steps = grid_for(layers, alive)[1]
    return derived(source, lambda d: covariance_rule(network, source.image(d), parameterization), steps)


def first_grid(network: nn.Layer, alive: Sizes) -> Sizes:
    """The grid on which a network begins with images of a size."""
    return grid_for(row_ahead(flatten((network,)), alive), alive)[0]


@mixing_rule.register
def _repeat(layer: nn.Repeat, source: Field, parameterization: str) -> State:
    if not isinstance(layer.depth, int):
        raise NotImplementedError(
            "an infinitely deep nn.Repeat whose block mixes positions of different displacement, as pooling and attention do, "
            "has no kernel rule before a global pooling; leave such layers out of the block, end the network in "
            "nn.Flatten(), or give a finite depth"
        )
    return run((layer.resolved_block(),) * layer.depth, source, parameterization)


@mixing_rule.register
def _residual(layer: nn.Residual, source: Field, parameterization: str) -> State:
    return _parallel(nn.Parallel(layer.shortcut, layer.body, merge=nn.Sum()), source, parameterization)


@mixing_rule.register
def _parallel(layer: nn.Parallel, source: Field, parameterization: str) -> State:
    source = stored(source)

    def start(d: Displacement | None) -> Covariance:
        return dataclasses.replace(source.image(d), fresh=False)

    def end(states: list[Covariance]) -> Covariance:
        merged = merge_rule(layer.merge, states)
        return dataclasses.replace(merged, fresh=merged.fresh or source.fresh)

    begun = derived(source, start)
    ends = [run((branch,), begun, parameterization) for branch in layer.branches]
    fields = [branch for branch in ends if isinstance(branch, Field)]
    if not fields:
        return end([branch for branch in ends if isinstance(branch, Covariance)])
    if len(fields) < len(ends):
        raise NotImplementedError(
            "a merge of branches with positions and branches without; end all of them in a GlobalAvgPool or a Flatten"
        )
    grid = tuple(map(max, zip(*(branch.positions.grid for branch in fields), strict=True)))
    fields = [branch if branch.positions.grid == grid else stored(branch, grid) for branch in fields]
    return derived(source, lambda d: end([b.image(d) for b in fields]), (1,) * len(grid))
