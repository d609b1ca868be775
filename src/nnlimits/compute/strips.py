"""What belongs to single examples, for the tiles of a large matrix: found once an example, in bounded memory."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits.compute.compilation import wide_jit
from nnlimits.compute.workers import run

Rows = Any
"""A PyTree of arrays that belong to a batch of examples."""

RowFunction = Callable[[Any, jax.Array], Rows]
"""`f(parameters, x)`: what every pair needs to know of a batch of examples."""

_BYTES = 64 * 2**20
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


class Strips:
    """The strips of all examples: of one stretch after the other, as far as memory allows."""

    def __init__(
        self, function: RowFunction, parameters: Parameters, inputs: Sequence[np.ndarray], tile: int, workers: int
    ) -> None:
        self._parameters, self._inputs = parameters, inputs
        self._tile, self._workers = tile, workers
        self._known: dict[tuple[int, int], list[list[Strip]]] = {}
        shape = jax.ShapeDtypeStruct((tile, *inputs[0].shape[1:]), inputs[0].dtype)
        self._strip = partial(wide_jit(_strip, (0, 1)), function, parameters.structure)
        strip = wide_jit(_strip, (0, 1)).trace(function, parameters.structure, parameters.leaves[0], 0, shape)
        size = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(strip.out_info))
        self.extent = tile * max(1, _BYTES // (2 * len(parameters.devices) * size))
        """How many examples a stretch has."""

    def stretches(self, *starts: int) -> list[list[list[Strip]]]:
        """For every input the strips of the stretch that begins at `starts`: a list for every device.

        Keeps those of the call before that are still wanted.
        """
        same = self._inputs[0] is self._inputs[-1]
        wanted = [(0 if same else k, start) for k, start in enumerate(starts)]
        self._known = {key: found for key, found in self._known.items() if key in wanted}
        for key in wanted:
            if key not in self._known:
                self._known[key] = self._compute(*key)
        return [self._known[key] for key in wanted]

    def _compute(self, which: int, start: int) -> list[list[Strip]]:
        x = self._inputs[which][start : start + self.extent]
        places = range(0, x.shape[0], self._tile)
        strips: list[list[Any]] = [[None] * len(places) for _ in self._parameters.devices]

        def begin(number: int, place: tuple[int, int]) -> Strip:
            device, i = place
            piece = start + i, _padded(x[i : i + self._tile], self._tile)
            numbered = jax.device_put(piece, self._parameters.devices[device])
            return self._strip(self._parameters.leaves[device], *numbered)

        def finish(place: tuple[int, int], strip: Strip) -> None:
            device, i = place
            strips[device][i // self._tile] = jax.block_until_ready(strip)

        run([(device, i) for i in places for device in range(len(strips))], begin, finish, self._workers)
        return strips


def _padded(x: np.ndarray, tile: int) -> np.ndarray:
    """`x` with rows of ones added up to the size of a tile."""
    missing = tile - x.shape[0]
    return np.pad(x, ((0, missing), *((0, 0),) * (x.ndim - 1)), constant_values=1) if missing else x


def _strip(function: RowFunction, structure: Any, leaves: list, start: jax.Array, x: jax.Array) -> Strip:
    return Strip(start + jnp.arange(x.shape[0]), function(jax.tree.unflatten(structure, leaves), x))
