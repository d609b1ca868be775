"""Networks evaluated as compiled functions, in the precision of their parameters."""

import contextlib
import functools
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, PyTree

from nnlimits import nn


def compiled(network: nn.Layer, params: PyTree, x: Float[Array | np.ndarray, "n d"]) -> Float[Array, "n outputs"]:
    """`network.apply(params, x)`, compiled once for each network and shape.

    A `Repeat` runs its blocks as a loop; outside of a compiled function JAX would compile that loop anew at each call. Products
    of matrices have all their digits: by default some devices multiply single precision with 10 bits, and certificates do not.
    """
    with _precision_of([*jax.tree.leaves(params), x]), jax.default_matmul_precision("highest"):
        return _apply(network, params, x)


@functools.partial(jax.jit, static_argnums=0)
def _apply(network: nn.Layer, params: PyTree, x: Any) -> Any:
    return network.apply(params, x)


def _precision_of(leaves: list[Any]) -> contextlib.AbstractContextManager:
    double = any(np.dtype(leaf.dtype) == np.float64 for leaf in leaves)
    return jax.enable_x64(True) if double else contextlib.nullcontext()
