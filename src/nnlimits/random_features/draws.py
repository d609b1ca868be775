"""Random matrices that rules ask for: recorded in a first pass over shapes alone, drawn once, then read in the same order."""

import abc
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray


class Draw(NamedTuple):
    """A random array that is asked for."""

    law: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    """From a generator and a shape to an array: on the host, where drawing needs no compilation for every shape."""
    shape: tuple[int, ...]
    dtype: Any = np.float32


class Draws(abc.ABC):
    """What rules ask for random arrays."""

    @abc.abstractmethod
    def take(self, draw: Draw) -> Array:
        """A value of `draw`, independent of all others."""


class Recorder(Draws):
    """Answers with zeros, and remembers what has been asked for."""

    def __init__(self) -> None:
        self.asked: list[Draw] = []

    def take(self, draw: Draw) -> Array:
        """Zeros."""
        self.asked.append(draw)
        return jnp.zeros(draw.shape, draw.dtype)


class Reader(Draws):
    """Answers with what has been drawn, its real numbers in the dtype of the computation."""

    def __init__(self, drawn: Sequence[Array], dtype: Any) -> None:
        self._rest = list(drawn)
        self._dtype = dtype

    def take(self, draw: Draw) -> Array:
        """The next array, which was drawn for the same request."""
        array = self._rest.pop(0)
        return array.astype(self._dtype) if jnp.issubdtype(array.dtype, jnp.floating) else array


def drawn(key: PRNGKeyArray, asked: Sequence[Draw]) -> tuple[Array, ...]:
    """All arrays that have been asked for, each from a generator that depends on the key and on its place alone."""
    seed = [int(word) for word in np.asarray(jax.random.key_data(key)).ravel()]
    return tuple(
        jnp.asarray(draw.law(np.random.default_rng([*seed, place]), draw.shape).astype(draw.dtype))
        for place, draw in enumerate(asked)
    )
