"""The gradient of a function of a Gram matrix with respect to what the kernel and its inputs are made from, by tiles.

Tiles have one shape whatever the number of rows, so that they are compiled once, and stay in the cache of a core.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.compute.tiles import Load

TILE = 256

Make = Callable[[Any, Any, str, Any, Any], Any]
"""`make(parameters, constants, kernel, x1, x2)`: a kernel matrix; of `x1` with itself if `x2` is `None`."""


def pullback(
    make: Make,
    parameters: Any,
    constants: Any,
    kernel: str,
    x: Float[np.ndarray, "n ..."],
    weights: Float[np.ndarray, "n n"],
    *,
    load: Load = Load(),
) -> Any:
    """The gradient of `sum(weights * make(parameters, constants, kernel, x, x))` with respect to `parameters`.

    **Arguments:** `make`, one function object, as it is compiled once; `weights`, symmetric; `load`, what a pair asks of a tile.
    """
    largest = max(4, load.lanes * round(TILE / load.memory**0.5 / load.lanes))
    tile = min(largest, max(min(largest, 16), 1 << (len(x) - 1).bit_length()))
    missing = -len(x) % tile
    x = np.concatenate([x, _others(x, missing)])
    weights = np.pad(weights, (0, missing))
    rows = [slice(start, start + tile) for start in range(0, len(x), tile)]
    parts = [
        _pulled(
            parameters, constants, x[i], None if i == j else x[j], weights[i, j] * (1 if i == j else 2), make, kernel
        )
        for place, i in enumerate(rows)
        for j in rows[place:]
    ]
    return jax.tree.map(lambda *values: sum(map(np.asarray, values)), *parts)


def _others(x: Float[np.ndarray, "n ..."], count: int) -> Float[np.ndarray, "count ..."]:
    """Rows that fill up a tile: far from each other, as for close pairs the kernel takes more care, and time.

    With positions not any numbers will do, as they may stand for edges; then the rows of `x` are used again.
    """
    if x.ndim == 2:
        return np.random.default_rng(0).normal(size=(count, x.shape[1]))
    return x[np.arange(count) % len(x)]


@partial(jax.jit, static_argnames=("make", "kernel"))
def _pulled(
    parameters: Any, constants: Any, x1: Array, x2: Array | None, weights: Array, make: Make, kernel: str
) -> Any:
    return jax.grad(lambda p: jnp.sum(weights * make(p, constants, kernel, x1, x2)))(parameters)
