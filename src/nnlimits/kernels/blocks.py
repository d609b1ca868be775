"""Repeated blocks of layers, found in the expression and run under `lax.scan`.

A depth-50 network costs one block to compile, whether it was written as `nn.Repeat` or layer by layer, and XLA keeps
the state of one tile in cache from layer to layer (unrolled, a CPU loses a factor of five).
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.per_input import scan, without_record
from nnlimits.kernels.semivariance import as_deficits, as_seen

LayerRow = tuple[nn.Layer, ...]
Apply = Callable[[LayerRow, Covariance], Covariance]

_SEES = nn.Conv, nn.LocallyConnected
"""Layers whose rules ask for nothing of pairs but what is `visible`."""


class Block(NamedTuple):
    """`layers`, read as a row of repetitions of `period` layers that differ at most in their hyper-parameters' values."""

    layers: LayerRow
    period: int

    @property
    def repetitions(self) -> int:
        """How often the period stands in the row."""
        return len(self.layers) // self.period


def flatten(layers: LayerRow) -> LayerRow:
    """The row with nested `Sequential`s written out and identities left out."""
    row: list[nn.Layer] = []
    for layer in layers:
        if isinstance(layer, nn.Sequential):
            row.extend(flatten(layer.layers))
        elif not isinstance(layer, nn.Identity):
            row.append(layer)
    return tuple(row)


def blocks(layers: LayerRow) -> list[Block]:
    """Split a row into blocks, greedily: at each place the period that covers most layers by repetition."""
    row = flatten(layers)
    shapes = [jax.tree.structure(layer) for layer in row]
    found: list[Block] = []
    start = 0
    while start < len(row):
        period, length = max(
            ((p, p * _repetitions(shapes, start, p)) for p in range(1, (len(row) - start) // 2 + 1)),
            key=lambda pl: (pl[1] if pl[1] > pl[0] else 0, -pl[0]),
            default=(1, 1),
        )
        if length == period:
            period = length = 1
        found.append(Block(row[start : start + length], period))
        start += length
    return found


def _repetitions(shapes: list[Any], start: int, period: int) -> int:
    first = shapes[start : start + period]
    count = 1
    while shapes[start + count * period : start + (count + 1) * period] == first:
        count += 1
    return count


def scan_block(block: Block, state: Covariance, apply: Apply) -> Covariance:
    """Covariance after all repetitions of a block.

    The first repetition runs by itself where it changes the kind of the state, as the first layer of a network may.
    """
    rows = [block.layers[i * block.period : (i + 1) * block.period] for i in range(block.repetitions)]
    while len(rows) > 1:
        after = without_record(partial(jax.eval_shape, lambda s, row: apply(row, s), state, rows[0]))
        if jax.tree.structure(after) == jax.tree.structure(state):
            state = jax.tree.map(
                lambda value, like: jnp.broadcast_to(value, like.shape).astype(like.dtype), state, after
            )
            stacked = jax.tree.map(lambda *values: jnp.stack(values), *rows)
            scanned = _scan_seen if state.positions is not None and isinstance(rows[0][0], _SEES) else _scan_deficits
            return scanned(apply, state, stacked, len(rows))
        state = apply(rows.pop(0), state)
    return apply(rows[0], state)


def _scan_deficits(apply: Apply, state: Covariance, rows: LayerRow, length: int) -> Covariance:
    return _unpack(scan(lambda carry, row: _pack(apply(row, _unpack(carry))), _pack(state), rows, length))


def _scan_seen(apply: Apply, state: Covariance, rows: LayerRow, length: int) -> Covariance:
    """For rows that begin with a layer in `_SEES`: every step leaves what that layer asks for, in one pass with all before it."""
    seen = scan(lambda carry, row: _pack(as_seen(apply(row, _unpack(carry)))), _pack(as_seen(state)), rows, length)
    return as_deficits(_unpack(seen))


def _pack(state: Covariance) -> tuple[Covariance, jax.Array | None]:
    """The state with both of its large arrays in one of complex numbers: XLA makes one pass over the pairs for each array that
    leaves a step, and repeats in it what the passes have in common.
    """
    first, second = (state.deficit, state.ntk) if state.seen is None else state.seen
    if second is None or first.dtype not in (jnp.float32, jnp.float64):
        return state, None
    nothing = jnp.zeros((), first.dtype)
    return _with_large(state, nothing, nothing), jax.lax.complex(first, second)


def _unpack(packed: tuple[Covariance, jax.Array | None]) -> Covariance:
    state, pairs = packed
    return state if pairs is None else _with_large(state, jnp.real(pairs), jnp.imag(pairs))


def _with_large(state: Covariance, first: jax.Array, second: jax.Array) -> Covariance:
    if state.seen is None:
        return dataclasses.replace(state, deficit=first, ntk=second)
    return dataclasses.replace(state, seen=(first, second))
