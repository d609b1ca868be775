"""Fill large matrices tile by tile: the symmetric half only, in cache-sized pieces, on several threads and devices.

A tile is small enough for a core's cache through all layers of a network, so the cost of a Gram matrix is its
arithmetic and one write of the result. Memory beyond the result is a few tiles.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from nnlimits.compute.compilation import wide_jit
from nnlimits.compute.journal import Journal
from nnlimits.compute.progress import Progress
from nnlimits.compute.strips import Parameters, RowFunction, Rows, Sides, Strip, Strips
from nnlimits.compute.workers import Workers

PairFunction = Callable[[Any, Rows, Rows, jax.Array | None], tuple[jax.Array, ...]]
"""`f(parameters, rows1, rows2, same)`: from two batches, and where they hold one and the same example, to `(n1, n2)` arrays."""

CACHE_TILE = 256
_CACHE_TILES = CACHE_TILE, 336
_ACCELERATOR_TILES = (2048,)


class Load(NamedTuple):
    """What a pair asks of a tile."""

    memory: float = 1.0
    """How much it takes while it is computed, in pairs of the simplest kind."""
    lanes: int = 1
    """The innermost loop runs over so many columns of a tile at a time; sides are to be multiples."""


class Problem(NamedTuple):
    """What to compute, and into what."""

    rows: RowFunction
    pairs: PairFunction
    parameters: Any
    x1: np.ndarray
    x2: np.ndarray | None
    outputs: Sequence[np.ndarray]


def tile_size(n1: int, n2: int, devices: Sequence[Any], load: Load = Load()) -> int:
    """Of few sizes, so that few shapes are ever compiled: one that suits the device and pads least, or enough for all."""
    sizes = _CACHE_TILES if devices[0].platform == "cpu" else _ACCELERATOR_TILES
    lanes = load.lanes
    sizes = tuple(lanes * max(1, round(size / load.memory**0.5 / lanes)) for size in sizes)
    size = min(sizes, key=lambda tile: (-(-n1 // tile) * tile) * (-(-n2 // tile) * tile))
    least = 16 if load.memory == 1 else lanes
    return min(size, max(least, 1 << (max(n1, n2) - 1).bit_length()))


def fill(
    problem: Problem, *, tile: int, devices: Sequence[Any], progress: bool | None, journal: Journal | None = None
) -> None:
    """Write `pairs` of all rows into `outputs`; of `x1` with itself if `x2` is `None`, mirrored.

    Tiles are padded to one shape, so any number of rows goes with any tile size. Those in the journal are done already.
    """
    n1, n2 = problem.outputs[0].shape
    symmetric = problem.x2 is None
    done = journal.done if journal is not None else frozenset()
    count = sum(place not in done for place in _places((0, n1), (0, n2), tile, symmetric))
    parameters = Parameters(problem.parameters, devices)
    strips = Strips(problem.rows, parameters, problem.x1, problem.x1 if problem.x2 is None else problem.x2, tile)
    compute = _Compute(problem.pairs, parameters.structure, symmetric)
    workers = Workers(len(devices), max(count, 1))
    with Progress("Gram matrix", count, progress) as bar:

        def finish(place: tuple[int, int], tiles: tuple[jax.Array, ...]) -> None:
            _write(problem.outputs, [np.asarray(t) for t in tiles], place, symmetric)
            if journal is not None:
                journal.add(place)
            bar.advance()

        for i, j in _places((0, n1), (0, n2), strips.extent, symmetric):
            ends = min(i + strips.extent, n1), min(j + strips.extent, n2)
            places = [place for place in _places((i, ends[0]), (j, ends[1]), tile, symmetric) if place not in done]
            if places:
                workers.run(places, partial(_start, compute, parameters, strips.sides(i, j, workers)), finish)


def _places(rows: tuple[int, int], columns: tuple[int, int], step: int, symmetric: bool) -> Iterator[tuple[int, int]]:
    """Corners of the squares that cover a rectangle; of a symmetric matrix, those not below the diagonal."""
    for i in range(*rows, step):
        for j in range(max(i, columns[0]) if symmetric else columns[0], columns[1], step):
            yield i, j


class _Compute(NamedTuple):
    """What a tile is compiled for."""

    pairs: PairFunction
    structure: Any
    symmetric: bool


def _start(compute: _Compute, parameters: Parameters, sides: Sides, number: int, place: tuple[int, int]) -> Any:
    """Begin to compute the tile at a place, each on the next device."""
    device = number % len(parameters.devices)
    return wide_jit(_tile, (0,))(compute, parameters.leaves[device], *sides[device](place))


def _tile(compute: _Compute, leaves: list, strip1: Strip, strip2: Strip) -> tuple[jax.Array, ...]:
    same = strip1.numbers[:, None] == strip2.numbers[None, :] if compute.symmetric else None
    parameters = jax.tree.unflatten(compute.structure, leaves)
    tiles = compute.pairs(parameters, strip1.rows, strip2.rows, same)
    return tuple(tiles) + tuple(t.T for t in tiles if compute.symmetric)


def _write(outputs: Sequence[np.ndarray], tiles: Sequence[np.ndarray], place: tuple[int, int], symmetric: bool) -> None:
    """Copy tiles to their place and, transposed, to the mirrored one; half of a tile on the diagonal mirrors the other."""
    i, j = place
    for k, output in enumerate(outputs):
        _check_tile(tiles[k], place, output.shape)
        rows, columns = (slice(start, start + tiles[k].shape[0]) for start in (i, j))
        block = output[rows, columns]
        height, width = block.shape
        block[...] = tiles[k][:height, :width]
        if symmetric:
            transposed = tiles[k + len(outputs)][:width, :height]
            if i == j:
                np.copyto(block, transposed, where=np.tri(height, k=-1, dtype=bool))
            else:
                output[columns, rows] = transposed


def _check_tile(tile: np.ndarray, place: tuple[int, int], shape: tuple[int, ...]) -> None:
    """Raise `ValueError` if a kernel value overflowed; a sum that is finite is proof enough that none did."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(tile.sum()):
            return
    bad = ~np.isfinite(tile[: shape[0] - place[0], : shape[1] - place[1]])
    if bad.any():
        i, j = (int(v) for v in np.argwhere(bad)[0])
        raise ValueError(
            f"the kernel of examples {place[0] + i} and {place[1] + j} is not finite in {tile.dtype}: the variances of this "
            "network overflow. Use smaller w_std, fewer layers or smaller inputs, or float64 inputs"
        )
