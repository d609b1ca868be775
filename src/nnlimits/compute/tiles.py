"""Fill large matrices tile by tile: the symmetric half only, in cache-sized pieces, on several threads and devices.

A tile is small enough for a core's cache through all layers of a network, so the cost of a Gram matrix is its
arithmetic and one write of the result. Memory beyond the result is a few tiles.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits.compute.progress import Progress

Rows = Any
"""A PyTree of arrays with the examples along their first axes."""

RowFunction = Callable[[jax.Array], Rows]
"""What every pair needs to know of a batch of examples, found once an example."""

PairFunction = Callable[[Any, Rows, Rows, jax.Array | None], tuple[jax.Array, ...]]
"""`f(parameters, rows1, rows2, same)`: from two batches, and where they hold one and the same example, to `(n1, n2)` arrays."""

_CACHE_TILE = 256
_ACCELERATOR_TILE = 2048
_MAX_WORKERS = 16


class Problem(NamedTuple):
    """What to compute, and into what."""

    rows: RowFunction
    pairs: PairFunction
    parameters: Any
    x1: np.ndarray
    x2: np.ndarray | None
    outputs: Sequence[np.ndarray]


def tile_size(n1: int, n2: int, devices: Sequence[Any]) -> int:
    """A power of two, so that few shapes are ever compiled: the largest that suits the device, or enough for all rows."""
    largest = _CACHE_TILE if devices[0].platform == "cpu" else _ACCELERATOR_TILE
    return min(largest, max(16, 1 << (max(n1, n2) - 1).bit_length()))


def fill(problem: Problem, *, tile: int, devices: Sequence[Any], progress: bool | None) -> None:
    """Write `pairs` of all rows into `outputs`; of `x1` with itself if `x2` is `None`, mirrored.

    Tiles are padded to one shape, so any number of rows goes with any tile size.
    """
    n1, n2 = problem.outputs[0].shape
    symmetric = problem.x2 is None
    places = list(_places(n1, n2, tile, symmetric))
    # a network has many nodes: taking it apart once saves doing so at every tile
    leaves, structure = jax.tree.flatten(problem.parameters)
    compute = _Compute(problem.pairs, structure, symmetric)
    strips = [_strips(problem, leaves, tile, device) for device in devices]
    workers = min(_MAX_WORKERS, max((os.cpu_count() or 1) + 1, 2 * len(devices)), len(places))
    with Progress("Gram matrix", len(places), progress) as bar:

        def start(number: int, place: tuple[int, int]) -> tuple[jax.Array, ...]:
            parameters, strips1, strips2 = strips[number % len(strips)]
            return _tile(compute, parameters, strips1[place[0] // tile], strips2[place[1] // tile])

        def finish(place: tuple[int, int], tiles: tuple[jax.Array, ...]) -> None:
            _write(problem.outputs, [np.asarray(t) for t in tiles], place, symmetric)
            bar.advance()

        _run(_Queue(places), start, finish, workers)


class _Queue:
    """Numbered items for several threads to take."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._items, self._lock = iter(enumerate(items)), threading.Lock()

    def take(self) -> tuple[int, Any] | None:
        """The next number and item, or `None` when all are taken."""
        with self._lock:
            return next(self._items, None)

    def close(self) -> None:
        """Leave what has not been taken."""
        with self._lock:
            self._items = iter(())


def _run(queue: _Queue, start: Callable[[int, Any], Any], finish: Callable[[Any, Any], None], workers: int) -> None:
    """Every item through `start` and `finish`, on several threads that each start one more before they finish one.

    So the device is never idle while a result is written. An exception ends the work; that of the first item in order is
    raised, whichever thread meets one first: a thread that did not fail finishes what it took.
    """
    # JAX's configuration (float64 or not) belongs to a thread: carry the caller's into the workers.
    enter = partial(jax.enable_x64, jax.dtypes.canonicalize_dtype(float) == np.float64)

    failures: list[tuple[int, Exception]] = []

    def work() -> None:
        started: deque[tuple[int, Any, Any]] = deque()
        number = -1
        try:
            with enter():
                while (taken := queue.take()) is not None or started:
                    if taken is not None:
                        number, item = taken
                        started.append((number, item, start(number, item)))
                    if taken is None or len(started) > 1:
                        number, item, result = started.popleft()
                        finish(item, result)
        except Exception as error:
            queue.close()
            failures.append((number, error))

    with ThreadPoolExecutor(workers) as pool:
        try:
            for done in [pool.submit(work) for _ in range(workers)]:
                done.result()
        finally:  # an interrupt too
            queue.close()
    if failures:
        raise min(failures, key=lambda failure: failure[0])[1]


def _places(n1: int, n2: int, tile: int, symmetric: bool) -> Iterator[tuple[int, int]]:
    for i in range(0, n1, tile):
        for j in range(i if symmetric else 0, n2, tile):
            yield i, j


class _Compute(NamedTuple):
    """What a tile is compiled for."""

    pairs: PairFunction
    structure: Any
    symmetric: bool


class _Strip(NamedTuple):
    """The examples along one side of a tile."""

    numbers: jax.Array
    rows: Rows


def _strips(problem: Problem, leaves: list, tile: int, device: Any) -> tuple[list, list[_Strip], list[_Strip]]:
    """Parameters, and the two sides of all tiles, on a device."""

    def cut(x: np.ndarray) -> list[_Strip]:
        pieces = ((start, _padded(x[start : start + tile], tile)) for start in range(0, x.shape[0], tile))
        return [_strip(problem.rows, *jax.device_put(piece, device)) for piece in pieces]

    first = cut(problem.x1)
    return jax.device_put(leaves, device), first, first if problem.x2 is None else cut(problem.x2)


def _padded(x: np.ndarray, tile: int) -> np.ndarray:
    """`x` with rows of ones added up to the size of a tile."""
    missing = tile - x.shape[0]
    return np.pad(x, ((0, missing), *((0, 0),) * (x.ndim - 1)), constant_values=1) if missing else x


@partial(jax.jit, static_argnums=0)
def _strip(function: RowFunction, start: jax.Array, x: jax.Array) -> _Strip:
    return _Strip(start + jnp.arange(x.shape[0]), function(x))


@partial(jax.jit, static_argnums=0)
def _tile(compute: _Compute, leaves: list, strip1: _Strip, strip2: _Strip) -> tuple[jax.Array, ...]:
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
