"""The unit of a dictionary that a greedy algorithm asks for: among many drawn, some near those chosen before, then moved."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.approximation.barron.ridge_units import RidgeUnits, Units

_MOST_CANDIDATES = 4096
"""Units that are drawn at a time."""

_MOST_VALUES = 2**24
"""Of them all at all points, which are kept."""

_STARTS = 4, 2
"""So many of the best of them, and more for each dimension, are then moved: inner products with late residuals have many local
maxima."""

_COPIES = 8
_SIZES = tuple(np.geomspace(0.3, 0.002, 24))
"""How far, in rounds. In six dimensions and after 128 units, the unit found has 0.86 to 0.98 of the inner product that a search
thirty times as long finds, on average of several seeds. Weak greedy algorithms, of units with a share t of the largest, have
their bounds divided by t (Temlyakov 2000)."""

_RENEWED = 8
"""Searches after which other units are drawn."""


@functools.partial(jax.jit, static_argnums=0)
def _features(
    dictionary: RidgeUnits, units: Units, z: Float[Array, "n d"], basis: Float[Array, "n p"]
) -> tuple[Float[Array, "n units"], Float[Array, " units"]]:
    """Units, and the squares of their norms beside the polynomials (the mean over points being the inner product)."""
    values = dictionary(units, z)
    squares = jnp.mean(values**2, axis=0) - jnp.sum((basis.T @ values / len(z)) ** 2, axis=0)
    return values, squares


@jax.jit
def _scores(
    values: Float[Array, "n units"],
    squares: Float[Array, " units"],
    residual: Float[Array, " n"],
    price: Float[Array, ""],
) -> Float[Array, " units"]:
    """What `select` maximises."""
    return 2 * jnp.abs(residual @ values) / len(residual) - price * squares


@functools.partial(jax.jit, static_argnums=(0, 6))
def _best_copies(
    dictionary: RidgeUnits,
    units: Units,
    z: Float[Array, "n d"],
    basis: Float[Array, "n p"],
    residual: Float[Array, " n"],
    price: Float[Array, ""],
    free: bool,
) -> tuple[Any, Any]:
    """Which of the copies of each unit scores best, and its score; `free` leaves the price out, which is zero."""
    if free:
        scores = 2 * jnp.abs(residual @ dictionary(units, z)) / len(residual)
    else:
        scores = _scores(*_features(dictionary, units, z, basis), residual, price)
    scores = scores.reshape(_COPIES, -1)
    return jnp.argmax(scores, axis=0), jnp.max(scores, axis=0)


@dataclasses.dataclass
class Search:
    """Greedy choices from a dictionary; holds the units drawn last with their values.

    **Arguments:** `dictionary`; `z`, points of the cube from -1 to 1; `basis`, the polynomials at the points, orthonormal in the
    mean; `seed`, of the draws.
    """

    dictionary: RidgeUnits
    z: Float[np.ndarray, "n d"]
    basis: Float[np.ndarray, "n p"]
    seed: int

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._searches = 0
        self._small = self.z.astype(np.float32), self.basis.astype(np.float32)
        self._starts = _STARTS[0] + _STARTS[1] * self.z.shape[1]
        self._candidates = min(_MOST_CANDIDATES, max(self._starts, _MOST_VALUES // len(self.z)))
        self._drawn: Any = None
        self._chosen = np.zeros((0, self.z.shape[1]))

    def select(self, residual: Float[np.ndarray, " n"], price: float = 0.0) -> Units:
        """The unit u, of those tried, with the largest `2 |<residual, u>| - price |u|^2`; |u| is beside the polynomials.

        In single precision: which unit is chosen decides no more than how good it is. All points are looked at from the start,
        since on part of them the residual is not orthogonal to the units before.
        """
        scale = np.float32(max(np.abs(residual).max(), np.finfo(np.float32).tiny))
        residual, cost = (residual / scale).astype(np.float32), np.float32(price / scale)
        if self._drawn is None or (self._searches % _RENEWED == 0 and self.z.shape[1] > 1):
            units = self.dictionary.drawn(self._rng, self.z, self._candidates, self._chosen)
            self._drawn = units, _features(self.dictionary, _small(units), *self._small)
        self._searches += 1
        units, features = self._drawn
        scores = np.array(_scores(*features, residual, cost))
        best = _taken(units, _distinct_best(scores, self._starts))
        for size in _SIZES:
            moved = self.dictionary.moved(self._rng, best, size, _COPIES)
            leaders, scores = _best_copies(self.dictionary, _small(moved), *self._small, residual, cost, price == 0)
            best = _taken(moved, np.asarray(leaders) * self._starts + np.arange(self._starts))
        found = _taken(best, np.array([int(np.argmax(np.asarray(scores)))]))
        self._chosen = np.concatenate([self._chosen, np.asarray(found.directions)])
        return found


def _distinct_best(scores: Float[np.ndarray, " units"], count: int) -> Any:
    """The best units of as many parts of those drawn, so that not all of them lie beside one another."""
    parts = np.array_split(np.arange(len(scores)), count)
    return np.array([part[int(np.argmax(scores[part]))] for part in parts])


def _taken(units: Units, places: Any) -> Units:
    return Units(*(field[places] for field in units))


def _small(units: Units) -> Units:
    return Units(*(np.asarray(field, np.float32) for field in units))
