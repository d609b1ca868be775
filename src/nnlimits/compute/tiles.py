"""Fill large matrices tile by tile: the symmetric half only, in cache-sized pieces, on several threads and devices.

A tile is small enough for a core's cache through all layers of a network, so the cost of a Gram matrix is its
arithmetic and one write of the result. Memory beyond the result is a few tiles.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits.compute.progress import Progress

PairFunction = Callable[[Any, jax.Array, jax.Array, jax.Array | None], tuple[jax.Array, ...]]
"""`f(parameters, x1, x2, same)`: from two batches, and where they hold one and the same example, to `(n1, n2)` arrays."""

_CACHE_TILE = 256
_ACCELERATOR_TILE = 2048
_MAX_WORKERS = 16


class Problem(NamedTuple):
    """What to compute, and into what."""

    function: PairFunction
    parameters: Any
    x1: jax.Array
    x2: jax.Array | None
    outputs: Sequence[np.ndarray]


def tile_size(n1: int, n2: int, devices: Sequence[Any]) -> int:
    """A power of two, so that few shapes are ever compiled: the largest that suits the device, or enough for all rows."""
    largest = _CACHE_TILE if devices[0].platform == "cpu" else _ACCELERATOR_TILE
    return min(largest, max(16, 1 << (max(n1, n2) - 1).bit_length()))


def fill(problem: Problem, *, tile: int, devices: Sequence[Any], progress: bool | None) -> None:
    """Write `function` of all pairs of rows into `outputs`; of `x1` with itself if `x2` is `None`, mirrored.

    Tiles are padded to one shape, so any number of rows goes with any tile size.
    """
    n1, n2 = problem.outputs[0].shape
    symmetric = problem.x2 is None
    places = list(_places(n1, n2, tile, symmetric))
    copies = [_placed(problem, tile, device) for device in devices]
    workers = min(_MAX_WORKERS, max((os.cpu_count() or 1) + 1, 2 * len(devices)), len(places))
    with Progress("Gram matrix", len(places), progress) as bar:

        def work(item: tuple[int, tuple[int, int]]) -> None:
            number, place = item
            parameters, x1, x2 = copies[number % len(copies)]
            mirrored = symmetric and place[0] != place[1]
            tiles = _tile(problem.function, parameters, x1, x2, *place, tile=tile, symmetric=symmetric)
            _write(problem.outputs, [np.asarray(t) for t in tiles], place, mirrored)
            bar.advance()

        if workers <= 1:
            for item in enumerate(places):
                work(item)
            return
        # JAX's configuration (float64 or not) belongs to a thread: carry the caller's into the workers.
        enter = partial(jax.enable_x64, jax.dtypes.canonicalize_dtype(float) == np.float64)

        def work_configured(item: tuple[int, tuple[int, int]]) -> None:
            with enter():
                work(item)

        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(work_configured, enumerate(places)):
                pass


def _places(n1: int, n2: int, tile: int, symmetric: bool) -> Iterator[tuple[int, int]]:
    for i in range(0, n1, tile):
        for j in range(i if symmetric else 0, n2, tile):
            yield i, j


def _placed(problem: Problem, tile: int, device: Any) -> tuple[Any, jax.Array, jax.Array]:
    """Parameters and padded inputs on a device."""
    x1 = jax.device_put(_padded(problem.x1, tile), device)
    x2 = x1 if problem.x2 is None else jax.device_put(_padded(problem.x2, tile), device)
    return jax.device_put(problem.parameters, device), x1, x2


def _padded(x: jax.Array, tile: int) -> jax.Array:
    """`x` with rows of ones added up to a multiple of the tile."""
    missing = -x.shape[0] % tile
    return jnp.pad(x, ((0, missing), *((0, 0),) * (x.ndim - 1)), constant_values=1) if missing else x


@partial(jax.jit, static_argnames=("function", "tile", "symmetric"))
def _tile(function, parameters, x1, x2, i, j, *, tile: int, symmetric: bool) -> tuple[jax.Array, ...]:
    rows1, rows2 = (jax.lax.dynamic_slice_in_dim(x, start, tile) for x, start in ((x1, i), (x2, j)))
    same = None
    if symmetric:
        same = (i + jnp.arange(tile))[:, None] == (j + jnp.arange(tile))[None, :]
    tiles = function(parameters, rows1, rows2, same)
    return tuple(tiles) + tuple(t.T for t in tiles if symmetric)


def _write(outputs: Sequence[np.ndarray], tiles: Sequence[np.ndarray], place: tuple[int, int], mirrored: bool) -> None:
    i, j = place
    for k, output in enumerate(outputs):
        _check_tile(tiles[k], place, output.shape)
        rows, columns = (slice(start, start + tiles[k].shape[0]) for start in (i, j))
        height, width = output[rows, columns].shape
        output[rows, columns] = tiles[k][:height, :width]
        if mirrored:
            output[columns, rows] = tiles[k + len(outputs)][:width, :height]


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
