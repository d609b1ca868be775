"""How the functions of this package receive a network: as it is, in double precision unless it is traced."""

import contextlib
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from nnlimits import nn
from nnlimits.signal.block import repeated_block
from nnlimits.signal.maps import BlockMap
from nnlimits.validation import is_traced


def precision(*values: Any) -> contextlib.AbstractContextManager:
    """float64 for numbers of Python, which have no precision of their own; as it is under a JAX transformation."""
    return contextlib.nullcontext() if is_traced(values) else jax.enable_x64(True)


def block_map(network: Any) -> BlockMap:
    """The map of the block that `network` repeats, its hyper-parameters as arrays, so that other values need no compilation."""
    if not isinstance(network, nn.Layer):
        raise TypeError(f"network must be an expression of nnlimits.nn; received {type(network).__name__}")
    return as_arrays(BlockMap(repeated_block(network)))


def as_arrays(value: Any) -> Any:
    """A PyTree of words with all real hyper-parameters as arrays of one dtype."""
    dtype = jnp.result_type(float, *(leaf for leaf in jax.tree.leaves(value) if eqx.is_array(leaf)))
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), value)
