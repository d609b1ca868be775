"""Functions of the products of many inputs with a matrix, row by row, into one array."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.compute.precision import adopt, aligned_empty, precision_of
from nnlimits.validation import is_traced

STRIPE_ENTRIES = 2**19
"""Of features in a unit of a thread's work."""
BLOCK_ENTRIES = 2**15
"""Of products worked on at a time: few enough to stay in a processor's own cache."""

OnHost = Callable[[np.ndarray], None]
"""Makes features of rows (rows, features) whose first columns hold the products, in place."""
OnDevice = Callable[[Array], Array]


def by_rows(
    matrix: Float[np.ndarray, "d products"], on_host: OnHost, on_device: OnDevice, x: Any, n_features: int
) -> Float[Array, "n features"]:
    """The features of `x`, functions of `x @ matrix`: of arrays in the processor's memory by NumPy, on all cores; of traced
    arrays, and of those on another device, by JAX, where `on_device` includes the product.

    On a processor NumPy's vectorised functions and BLAS are faster than XLA's, and need no compilation. All products are one
    call of BLAS, which has threads of its own: several calls at the same time would wait for each other, by far longer than
    they compute. What is left is done in blocks that fit the cache, by this module's threads.
    """
    if is_traced(x) or (isinstance(x, jax.Array) and any(device.platform != "cpu" for device in x.devices())):
        return on_device(jnp.asarray(x))
    x = np.asarray(x)
    features = aligned_empty((len(x), n_features), x.dtype)
    np.matmul(x, matrix, out=features[:, : matrix.shape[1]])
    rows = max(1, STRIPE_ENTRIES // n_features)
    stripes = [features[start : start + rows] for start in range(0, len(x), rows)]

    def compute(stripe: np.ndarray) -> None:
        for block in blocks(len(stripe), matrix.shape[1]):
            on_host(stripe[block])

    threads = min(len(stripes), processors())
    if threads == 1:
        for stripe in stripes:
            compute(stripe)
    else:
        with ThreadPoolExecutor(threads) as pool:
            deque(pool.map(compute, stripes), maxlen=0)  # raises what a thread raised
    with precision_of(features):
        return adopt(features)


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """The rows of an array, in blocks that stay in the cache."""
    step = max(1, BLOCK_ENTRIES // columns)
    for start in range(0, rows, step):
        yield slice(start, start + step)


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
