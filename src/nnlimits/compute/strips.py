"""What belongs to single examples, for the tiles of a large matrix: found once an example, in bounded memory."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits.compute.compilation import wide_jit
from nnlimits.compute.workers import Workers

Rows = Any
"""A PyTree of arrays that belong to a batch of examples."""

RowFunction = Callable[[Any, jax.Array], Rows]
"""`f(parameters, x)`: what every pair needs to know of a batch of examples."""

_BYTES = 40 * 2**20
"""Memory for all strips: some networks want to know more of an example than it has features."""


class Strip(NamedTuple):
    """The examples along one side of a tile."""

    numbers: jax.Array
    rows: Rows


class Parameters:
    """A PyTree of parameters on several devices.

    A network has many nodes: taking it apart once saves doing so at every tile.
    """

    def __init__(self, parameters: Any, devices: Sequence[Any]) -> None:
        leaves, self.structure = jax.tree.flatten(parameters)
        self.devices = devices
        self.leaves = [jax.device_put(leaves, device) for device in devices]


Sides = list[Callable[[tuple[int, int]], tuple[Strip, Strip]]]
"""For every device, from the place of a tile to its two strips."""


class Strips:
    """The strips of all examples: of one stretch after the other, as far as memory allows."""

    def __init__(
        self, function: RowFunction, parameters: Parameters, x1: np.ndarray, x2: np.ndarray, tile: int
    ) -> None:
        self._parameters, self._inputs, self._tile = parameters, (x1, x2), tile
        self._known: dict[tuple[int, int], list[list[Strip]]] = {}
        strip = wide_jit(_strip, (0, 1))
        shape = jax.ShapeDtypeStruct((tile, *x1.shape[1:]), x1.dtype)
        result = strip.trace(function, parameters.structure, parameters.leaves[0], 0, shape).out_info
        size = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(result))
        self._strip = partial(strip, function, parameters.structure)
        self.extent = tile * max(1, _BYTES // (2 * len(parameters.devices) * size))
        """How many examples a stretch has."""

    def sides(self, row: int, column: int, workers: Workers) -> Sides:
        """The strips of the tiles in the square of the two stretches that begin at `row` and `column`.

        Keeps those of the call before that are still wanted, and no others.
        """
        wanted = (0, row), (0 if self._inputs[0] is self._inputs[1] else 1, column)
        self._known = {key: found for key, found in self._known.items() if key in wanted}
        for key in wanted:
            if key not in self._known:
                self._known[key] = self._compute(*key, workers)

        def side(device: int, place: tuple[int, int]) -> tuple[Strip, Strip]:
            first, second = (self._known[key][device] for key in wanted)
            return first[(place[0] - row) // self._tile], second[(place[1] - column) // self._tile]

        return [partial(side, device) for device in range(len(self._parameters.devices))]

    def _compute(self, which: int, start: int, workers: Workers) -> list[list[Strip]]:
        x = self._inputs[which][start : start + self.extent]
        places = range(0, x.shape[0], self._tile)
        strips: list[list[Any]] = [[None] * len(places) for _ in self._parameters.devices]

        def begin(number: int, place: tuple[int, int]) -> Strip:
            device, i = place
            piece = start + i, _padded(x[i : i + self._tile], self._tile)
            return self._strip(
                self._parameters.leaves[device], *jax.device_put(piece, self._parameters.devices[device])
            )

        def finish(place: tuple[int, int], strip: Strip) -> None:
            device, i = place
            strips[device][i // self._tile] = jax.block_until_ready(strip)

        workers.run([(device, i) for i in places for device in range(len(strips))], begin, finish)
        return strips


def _padded(x: np.ndarray, tile: int) -> np.ndarray:
    """`x` with rows of zeros added up to the size of a tile: no direction of theirs is close to another, which would be work."""
    missing = tile - x.shape[0]
    return np.pad(x, ((0, missing), *((0, 0),) * (x.ndim - 1))) if missing else x


def _strip(function: RowFunction, structure: Any, leaves: list, start: jax.Array, x: jax.Array) -> Strip:
    return Strip(start + jnp.arange(x.shape[0]), function(jax.tree.unflatten(structure, leaves), x))
