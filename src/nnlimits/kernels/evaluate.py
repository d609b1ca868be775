"""The kernel of a network as pure functions of its hyper-parameters and inputs: what is jitted, differentiated and tiled."""

import dataclasses
import math
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from nnlimits import nn
from nnlimits.kernels.blocks import flatten
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.displacements import Pairs
from nnlimits.kernels.first_layers import check_first_layers, embeddings, takes_tokens, unwrapped
from nnlimits.kernels.images import (
    Images,
    image_covariance,
    image_field,
    image_variance,
    images,
)
from nnlimits.kernels.inputs import Rows, input_covariance, input_variance, rows
from nnlimits.kernels.linear import contracted
from nnlimits.kernels.mixing import first_grid, needs_all_displacements, run
from nnlimits.kernels.per_input import Known, read, record
from nnlimits.kernels.rules import covariance_rule
from nnlimits.validation import is_traced


class Needs(eqx.Module):
    """What the output of a network requires of every layer; found from the expression before anything is computed."""

    parameterization: str = eqx.field(static=True)
    displacements: bool = eqx.field(static=True)
    """Whether it takes the covariance between different positions."""
    widths: bool = eqx.field(static=True)
    """Whether a kernel depends on the widths of the layers."""
    same: bool = eqx.field(static=True)
    """Whether a layer treats an example paired with itself apart."""


def needs(network: nn.Layer) -> Needs:
    """Read off what a network needs."""
    parameterization = network.parameterization or "ntk" if isinstance(network, nn.Sequential) else "ntk"
    words = _words(network)
    widths = parameterization != "ntk" or any(isinstance(w, nn.Concatenate) for w in words)
    everywhere = needs_all_displacements(network)
    return Needs(parameterization, everywhere, widths, any(isinstance(w, nn.Dropout) for w in words))


def _words(word: Any) -> list[Any]:
    """A word and all words inside it."""
    children = [getattr(word, f.name) for f in dataclasses.fields(word)]
    nested = [c for child in children for c in (child if isinstance(child, tuple) else (child,))]
    return [word] + [w for child in nested if isinstance(child, eqx.Module) for w in _words(child)]


def prepare(network: nn.Layer, dtype: Any) -> nn.Layer:
    """The same kernel, written for computing: no width that does not matter (so that equal blocks are seen to be equal), no bias
    that does not matter, and all hyper-parameters arrays of one dtype (so that other values need no
    compilation).
    """
    required = needs(network)
    biases_scaled = required.parameterization == "ntk"  # gradients in them too, so that none is left of a scale of zero

    def simplified(word: Any) -> Any:
        names = {field.name for field in dataclasses.fields(word)} if isinstance(word, nn.Layer) else set()
        if "width" in names and not required.widths:
            word = dataclasses.replace(word, width=1)
        b_std = getattr(word, "b_std", None)
        if biases_scaled and isinstance(b_std, float) and b_std == 0.0:
            word = eqx.tree_at(lambda layer: layer.b_std, word, None)
        return word

    network = jax.tree.map(simplified, network, is_leaf=_is_weighted)
    return jax.tree.map(lambda v: jnp.asarray(v, dtype) if isinstance(v, jax.Array) else np.asarray(v, dtype), network)


def _is_weighted(word: Any) -> bool:
    return isinstance(word, nn.Layer) and any(field.name in ("width", "b_std") for field in dataclasses.fields(word))


def check_values(network: nn.Layer, arrays: dict[str, Any]) -> None:
    """Raise what the first layers raise of inputs that they cannot take, such as unknown tokens, where values are known."""
    for x in arrays.values():
        check_first_layers(network, x.shape[1:])
        rest, mask = flatten((network,)), None
        while rest and isinstance(rest[0], nn.Masked | nn.GraphNetwork) and not is_traced(x):
            if isinstance(rest[0], nn.Masked):
                mask = rest[0].mask(x)
            else:
                for layer in _words(rest[0]):
                    if isinstance(layer, nn.Aggregate):
                        layer.check_adjacency(x[:, :, : x.shape[1]])
            rest = flatten((*rest[0].layers, *rest[1:]))
        for layer in embeddings(nn.Sequential(*rest)):
            layer.check_tokens(x if mask is None else np.where(mask, 0, x))


# One displacement of many pairs is computed at a time, and over again for each: the nearer cache suits it.
_NEARER = 16


def load(network: nn.Layer, input_shape: tuple[int, ...]) -> float:
    """How much memory a pair of inputs takes while it is computed, in pairs of inputs without positions."""
    tokens = takes_tokens(unwrapped(network))
    if len(input_shape) < 2 and not tokens:
        return 1.0
    positions = math.prod(input_shape if tokens else input_shape[:-1])
    return float(positions * (_NEARER if needs(network).displacements else 1))


class Batch(NamedTuple):
    """All that belongs to single examples."""

    rows: Rows | Images
    known: Known
    """What the layers want to know of each."""


Get = tuple[str, ...]


def batch(get: Get, network: nn.Layer, x: Float[Array, "n ..."]) -> Batch:
    """Examples made ready for `pairs`, for a network from `prepare`."""
    inputs = _inputs(network, x)
    return Batch(inputs, record(partial(_diagonal, get, network, inputs))[1])


def _inputs(network: nn.Layer, x: Float[Array, "n ..."]) -> Rows | Images:
    row = flatten((network,))
    flat = bool(row) and isinstance(row[0], nn.Flatten)  # then positions are of no account
    return rows(x) if flat or (x.ndim == 2 and not takes_tokens(unwrapped(network))) else images(network, x)


def pairs(
    get: Get, network: nn.Layer, batch1: Batch, batch2: Batch, same: Bool[Array, "n1 n2"] | None
) -> tuple[Float[Array, "n1 n2"], ...]:
    """The kernels named by `get` ("nngp", "ntk") of all pairs of two batches."""
    required = needs(network)
    first, second = batch1.rows, batch2.rows
    shape = (first.variance.shape[-1], second.variance.shape[-1])
    options = {"ntk": "ntk" in get, "keep_same": required.same}

    def rules() -> tuple[Array, ...]:
        if isinstance(first, Rows) and isinstance(second, Rows):
            state = input_covariance(first, second, same, **options)
        else:
            assert isinstance(first, Images)
            assert isinstance(second, Images)
            state = image_covariance(first, second, same, **options)
        return _select(get, covariance_rule(unwrapped(network), state, required.parameterization), shape)

    if required.displacements:
        return _pairs_of_positions(get, network, batch1, batch2, same)
    return read(batch1.known, batch2.known, rules)


def _pairs_of_positions(
    get: Get, network: nn.Layer, batch1: Batch, batch2: Batch, same: Bool[Array, "n1 n2"] | None
) -> tuple[Float[Array, "n1 n2"], ...]:
    """All pairs of two batches in one row, displacement by displacement."""
    n1, n2 = batch1.rows.variance.shape[-1], batch2.rows.variance.shape[-1]
    i, j = jnp.indices((n1, n2)).reshape(2, -1)
    both = Pairs(i, j)
    together = None if same is None else same.reshape(-1)

    def rules() -> tuple[Array, ...]:
        state = _from_positions(get, network, batch1.rows, batch2.rows, both, together)
        return tuple(value.reshape(n1, n2) for value in _select(get, state, (n1 * n2,)))

    return read(batch1.known, batch2.known, rules, both.places)


def _from_positions(get: Get, network: nn.Layer, first, second, both: Pairs, same) -> Covariance:
    grid = first_grid(unwrapped(network), first.variance.shape[:-1])
    begun = image_field(first, second, both, same, grid, ntk="ntk" in get)
    state = run((unwrapped(network),), begun, needs(network).parameterization)
    assert isinstance(state, Covariance)
    return state


def diagonal(get: Get, network: nn.Layer, x: Float[Array, "n ..."]) -> tuple[Float[Array, " n"], ...]:
    """The kernels named by `get` of each example with itself, for a network from `prepare`."""
    return record(partial(_diagonal, get, network, _inputs(network, x)))[0]


def _diagonal(get: Get, network: nn.Layer, inputs: Rows | Images) -> tuple[Array, ...]:
    required = needs(network)
    n = inputs.variance.shape[-1]
    if required.displacements:
        alone = Pairs(jnp.arange(n), jnp.arange(n))
        return _select(get, _from_positions(get, network, inputs, inputs, alone, jnp.ones(n, bool)), (n,))
    options = {"ntk": "ntk" in get, "keep_same": required.same}
    state = image_variance(inputs, **options) if isinstance(inputs, Images) else input_variance(inputs, **options)
    return _select(get, covariance_rule(unwrapped(network), state, required.parameterization), (n,))


def _select(get: Get, state: Covariance, shape: tuple[int, ...]) -> tuple[Array, ...]:
    state = contracted(state)
    found = {"nngp": state.nngp, "ntk": state.ntk}
    return tuple(jnp.broadcast_to(value, shape) for value in (found[name] for name in get) if value is not None)


def work_of_a_pair(network: nn.Layer, input_shape: tuple[int, ...]) -> float:
    """How many covariances between positions a layer computes for a pair of inputs; one for inputs without positions."""
    return (load(network, input_shape) / _NEARER) ** 2 if needs(network).displacements else load(network, input_shape)
