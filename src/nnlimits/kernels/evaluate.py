"""The kernel of a network as pure functions of its hyper-parameters and inputs: what is jitted, differentiated and tiled."""

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.inputs import Rows, input_covariance, input_variance, rows
from nnlimits.kernels.per_input import Known, read, record
from nnlimits.kernels.rules import covariance_rule


class Needs(eqx.Module):
    """What the output of a network requires of every layer; found from the expression before anything is computed."""

    parameterization: str = eqx.field(static=True)
    widths: bool = eqx.field(static=True)
    """Whether a kernel depends on the widths of the layers."""
    same: bool = eqx.field(static=True)
    """Whether a layer treats an example paired with itself apart."""


def needs(network: nn.Layer) -> Needs:
    """Read off what a network needs."""
    parameterization = network.parameterization or "ntk" if isinstance(network, nn.Sequential) else "ntk"
    words = _words(network)
    widths = parameterization != "ntk" or any(isinstance(w, nn.Concatenate) for w in words)
    return Needs(parameterization, widths, any(isinstance(w, nn.Dropout) for w in words))


def _words(word: Any) -> list[Any]:
    """A word and all words inside it."""
    children = [getattr(word, f.name) for f in dataclasses.fields(word)]
    nested = [c for child in children for c in (child if isinstance(child, tuple) else (child,))]
    return [word] + [w for child in nested if isinstance(child, eqx.Module) for w in _words(child)]


def prepare(network: nn.Layer, dtype: Any) -> nn.Layer:
    """The same kernel, written for computing: no width that does not matter (so that equal blocks are seen to be equal), no bias
    whose scale is the number zero, and all hyper-parameters arrays of one dtype (so that other values need no
    compilation).
    """
    keep_widths = needs(network).widths

    def simplified(word: Any) -> Any:
        if not isinstance(word, nn.Dense):
            return word
        dense = word if keep_widths else dataclasses.replace(word, width=1)
        if isinstance(dense.b_std, float) and dense.b_std == 0.0:
            dense = eqx.tree_at(lambda d: d.b_std, dense, None)
        return dense

    network = jax.tree.map(simplified, network, is_leaf=lambda w: isinstance(w, nn.Dense))
    return jax.tree.map(lambda v: jnp.asarray(v, dtype) if isinstance(v, jax.Array) else np.asarray(v, dtype), network)


class Batch(NamedTuple):
    """All that belongs to single examples."""

    rows: Rows
    known: Known
    """What the layers want to know of each."""


def batch(get: tuple[str, ...], network: nn.Layer, x: Float[Array, "n ..."]) -> Batch:
    """Examples made ready for `pairs`, for a network from `prepare`."""
    inputs = rows(x)
    return Batch(inputs, record(partial(_diagonal, get, network, inputs))[1])


def pairs(
    get: tuple[str, ...], network: nn.Layer, batch1: Batch, batch2: Batch, same: Bool[Array, "n1 n2"] | None
) -> tuple[Float[Array, "n1 n2"], ...]:
    """The kernels named by `get` ("nngp", "ntk") of all pairs of two batches."""
    required = needs(network)
    state = input_covariance(batch1.rows, batch2.rows, same, ntk="ntk" in get, keep_same=required.same)
    shape = (batch1.rows.variance.shape[0], batch2.rows.variance.shape[0])

    def rules() -> tuple[Array, ...]:
        return _select(get, covariance_rule(network, state, required.parameterization), shape)

    return read(batch1.known, batch2.known, rules)


def diagonal(get: tuple[str, ...], network: nn.Layer, x: Float[Array, "n ..."]) -> tuple[Float[Array, " n"], ...]:
    """The kernels named by `get` of each example with itself, for a network from `prepare`."""
    return record(partial(_diagonal, get, network, rows(x)))[0]


def _diagonal(get: tuple[str, ...], network: nn.Layer, inputs: Rows) -> tuple[Array, ...]:
    required = needs(network)
    state = input_variance(inputs, ntk="ntk" in get, keep_same=required.same)
    return _select(get, covariance_rule(network, state, required.parameterization), inputs.variance.shape)


def _select(get: tuple[str, ...], state: Covariance, shape: tuple[int, ...]) -> tuple[Array, ...]:
    found = {"nngp": state.nngp, "ntk": state.ntk}
    return tuple(jnp.broadcast_to(value, shape) for value in (found[name] for name in get) if value is not None)
