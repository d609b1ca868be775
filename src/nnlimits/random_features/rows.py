"""Features of many inputs, stripe by stripe of rows, into one array."""

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

STRIPE_ENTRIES = 2**18
"""Of features in a unit of a thread's work."""
MOST_ROWS = 256
"""In a unit of work there are as many rows as inputs have columns, or so many: enough for products of matrices to be efficient."""
BLOCK_ENTRIES = 2**15
"""Of features worked on at a time: few enough to stay in a processor's own cache."""

OnHost = Callable[[np.ndarray, np.ndarray], None]
"""Writes the features of a stripe of inputs (rows, d) into an array (rows, features)."""
OnDevice = Callable[[Array], Array]


def by_rows(on_host: OnHost, on_device: OnDevice, x: Any, n_features: int) -> Float[Array, "n features"]:
    """The features of `x`: of arrays in the processor's memory by NumPy, in blocks, on all cores; of traced arrays, and of those
    on another device, by JAX.

    On a processor NumPy's vectorised functions and BLAS in cache-sized blocks are faster than XLA's, and need no compilation.
    """
    if is_traced(x) or (isinstance(x, jax.Array) and any(device.platform != "cpu" for device in x.devices())):
        return on_device(jnp.asarray(x))
    x = np.asarray(x)
    features = aligned_empty((len(x), n_features), x.dtype)
    rows = max(1, STRIPE_ENTRIES // n_features, min(x.shape[1], MOST_ROWS))
    stripes = [slice(start, start + rows) for start in range(0, len(x), rows)]

    def compute(stripe: slice) -> None:
        on_host(x[stripe], features[stripe])

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
