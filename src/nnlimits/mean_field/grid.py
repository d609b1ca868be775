"""Grids of cells over the space of a neuron's parameters, where that has one or two dimensions."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.mean_field.neurons import Neurons

_MOST_AXES = 2


class Grid(eqx.Module):
    """Equal cells that fill an interval or a rectangle, whose edges no mass crosses.

    **Arguments:** `low`, `high`, the ends, one number for each axis (or one number); `cells`, how many along each axis.

    **Raises:** `ValueError` for ends that do not ascend, fewer than 2 cells, or more than two axes.
    """

    low: tuple[float, ...] = eqx.field(static=True)
    high: tuple[float, ...] = eqx.field(static=True)
    cells: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, low: Any, high: Any, cells: Any) -> None:
        self.low, self.high = (tuple(float(v) for v in np.atleast_1d(end)) for end in (low, high))
        self.cells = tuple(int(v) for v in np.broadcast_to(np.atleast_1d(cells), len(self.low)))
        if len(self.low) != len(self.high) or len(self.low) > _MOST_AXES:
            raise ValueError(f"low and high must have one or two numbers each; received {low!r} and {high!r}")
        if not all(math.isfinite(a) and math.isfinite(b) and a < b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError(f"low must be below high, both finite; received {low!r} and {high!r}")
        if min(self.cells) < 2:
            raise ValueError(f"cells must be at least 2 along each axis; received {cells!r}")

    @property
    def spacing(self) -> tuple[float, ...]:
        """The cells' lengths along each axis."""
        return tuple((b - a) / n for a, b, n in zip(self.low, self.high, self.cells, strict=True))

    @property
    def volume(self) -> float:
        """That of a cell."""
        return math.prod(self.spacing)

    def axes(self) -> tuple[Float[np.ndarray, " cells"], ...]:
        """The centres along each axis."""
        return tuple(a + h * (np.arange(n) + 0.5) for a, h, n in zip(self.low, self.spacing, self.cells, strict=True))

    def centres(self) -> Float[np.ndarray, "k p"]:
        """The centres of all cells, the last axis fastest."""
        return np.stack(np.meshgrid(*self.axes(), indexing="ij"), -1).reshape(-1, len(self.cells))

    def masses(self, density: Callable[[Any], Any]) -> Float[np.ndarray, " k"]:
        """A measure of mass one from a density, known up to a factor, at rows of parameters.

        **Raises:** `ValueError` for a density that is negative, not finite, or zero everywhere.
        """
        values = np.asarray(density(self.centres()), np.float64).reshape(-1)
        if values.shape != (math.prod(self.cells),) or not np.isfinite(values).all() or (values < 0).any():
            raise ValueError("density must return one finite number of at least 0 for each row of parameters")
        if values.sum() == 0:
            raise ValueError("density is zero in all cells; let the grid cover where it is not")
        return values / values.sum()

    def of_particles(self, neurons: Neurons) -> Float[np.ndarray, " k"]:
        """The mass that a measure of neurons has in each cell; what lies beyond the edges counts to the nearest cell."""
        places = np.asarray(neurons.positions)
        index = [
            np.clip(np.floor((places[:, i] - a) / h).astype(int), 0, n - 1)
            for i, (a, h, n) in enumerate(zip(self.low, self.spacing, self.cells, strict=True))
        ]
        flat = np.ravel_multi_index(tuple(index), self.cells)
        return np.bincount(flat, np.asarray(neurons.masses), math.prod(self.cells))


def as_neurons(grid: Grid, masses: Float[Array | np.ndarray, " k"]) -> Neurons:
    """Each cell as a neuron at its centre: the risks of particles are those of the grid as well."""
    return Neurons(jnp.asarray(grid.centres(), masses.dtype), masses)


def check_grid(grid: Any, size: int, masses: Any) -> None:
    """Raise unless a grid has the dimension of a neuron's parameters and `masses` are one for each cell."""
    if not isinstance(grid, Grid):
        raise TypeError(f"grid must be a Grid; received {type(grid).__name__}")
    if len(grid.cells) != size:
        raise ValueError(f"the grid has {len(grid.cells)} axes, and a neuron {size} parameters; they must be the same")
    if np.shape(masses) != (math.prod(grid.cells),):
        raise ValueError(f"masses must be one for each of {math.prod(grid.cells)} cells; received {np.shape(masses)}")
