"""The kernel of a network as pure functions of its hyper-parameters and inputs: what is jitted, differentiated and tiled."""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from nnlimits import nn
from nnlimits.kernels.blocks import flatten
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.depth_limit import InfiniteRepeat
from nnlimits.kernels.displacements import Pairs
from nnlimits.kernels.first_layers import takes_tokens, unwrapped
from nnlimits.kernels.images import (
    Images,
    image_covariance,
    image_field,
    image_variance,
    images,
)
from nnlimits.kernels.inputs import Rows, input_covariance, input_variance, rows
from nnlimits.kernels.linear import contracted
from nnlimits.kernels.mixing import first_grid, run
from nnlimits.kernels.needs import needs
from nnlimits.kernels.ode_fineness import resolved_ode
from nnlimits.kernels.per_input import Known, columns_and_rows, read, record
from nnlimits.kernels.rules import covariance_rule


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

    network = jax.tree.map(simplified, _resolved(network), is_leaf=_is_weighted)
    return jax.tree.map(lambda v: jnp.asarray(v, dtype) if isinstance(v, jax.Array) else np.asarray(v, dtype), network)


def _resolved(network: nn.Layer) -> nn.Layer:
    """Every finite `Repeat` with its `resolved_block`, so that what that has put into it is an array too; and infinite ones, and
    each `NeuralODE`, with the steps that they ask for, while scales are known.
    """

    def resolved(word: Any) -> Any:
        if isinstance(word, nn.NeuralODE):
            return resolved_ode(word, _resolved(word.field))
        if not isinstance(word, nn.Repeat):
            return word
        if math.isinf(word.depth):
            return InfiniteRepeat(_resolved(word.block))
        return dataclasses.replace(word, block=_resolved(word.resolved_block()))

    return jax.tree.map(resolved, network, is_leaf=lambda word: isinstance(word, nn.Repeat | nn.NeuralODE))


def _is_weighted(word: Any) -> bool:
    return isinstance(word, nn.Layer) and any(field.name in ("width", "b_std") for field in dataclasses.fields(word))


_PART = 2**18
"""Bytes of one of some ten arrays that a core works on."""


class Batch(NamedTuple):
    """All that belongs to single examples."""

    rows: Rows | Images
    known: Known
    """What the layers want to know of each."""


Get = tuple[str, ...]


def batch(get: Get, network: nn.Layer, x: Float[Array, "n ..."]) -> Batch:
    """Examples made ready for `pairs`, for a network from `prepare`."""
    inputs = inputs_of(network, x)
    return Batch(inputs, record(partial(_diagonal, get, network, inputs))[1])


def inputs_of(network: nn.Layer, x: Float[Array, "n ..."]) -> Rows | Images:
    """The inputs as the first layers of a network see them."""
    row = flatten((network,))
    flat = bool(row) and isinstance(row[0], nn.Flatten)  # then positions are of no account
    return rows(x) if flat or (x.ndim == 2 and not takes_tokens(unwrapped(network))) else images(network, x)


def pairs(
    get: Get, network: nn.Layer, batch1: Batch, batch2: Batch, same: Bool[Array, "n1 n2"] | None
) -> tuple[Float[Array, "n1 n2"], ...]:
    """The kernels named by `get` ("nngp", "ntk") of all pairs of two batches."""
    if needs(network).displacements:
        return _pairs_of_positions(get, network, batch1, batch2, same)
    if isinstance(batch1.rows, Images):
        return _some_rows_at_a_time(get, network, batch1, batch2, same)
    first, second = batch1.rows, batch2.rows
    options = {"ntk": "ntk" in get, "keep_same": needs(network).same}
    begin = partial(input_covariance, first, second, same, **options)
    return read(batch1.known, batch2.known, partial(_after_all, get, network, begin, _pair_shape(first, second)))


def _after_all(
    get: Get, network: nn.Layer, begin: Callable[[], Covariance], shape: tuple[int, int]
) -> tuple[Array, ...]:
    return _select(get, covariance_rule(unwrapped(network), begin(), needs(network).parameterization), shape)


def _pair_shape(first: Rows | Images, second: Rows | Images) -> tuple[int, int]:
    return first.variance.shape[-1], second.variance.shape[-1]


def _some_rows_at_a_time(
    get: Get, network: nn.Layer, batch1: Batch, batch2: Batch, same: Bool[Array, "n1 n2"] | None
) -> tuple[Float[Array, "n1 n2"], ...]:
    """All pairs of two batches, so few examples of the first at a time that their images with all of the second stay in cache."""
    first, second = batch1.rows, batch2.rows
    assert isinstance(first, Images)
    assert isinstance(second, Images)
    n1, n2 = _pair_shape(first, second)
    count = _rows_at_once(n1, second.variance.nbytes)
    options = {"ntk": "ntk" in get, "keep_same": needs(network).same}

    def some(start: Int[Array, ""]) -> tuple[Array, ...]:
        def slice_of(v: Array) -> Array:
            return jax.lax.dynamic_slice_in_dim(v, start, count, axis=-1)

        part, together = jax.tree.map(slice_of, first), None
        if same is not None:
            together = jax.lax.dynamic_slice_in_dim(same, start, count)
        begin = partial(image_covariance, part, second, together, **options)
        rules = partial(_after_all, get, network, begin, (count, n2))
        return read(batch1.known, batch2.known, rules, columns_and_rows(slice_of))

    if count == n1:
        return some(jnp.zeros((), jnp.int32))
    parts = jax.lax.map(some, jnp.arange(0, n1, count))
    return tuple(part.reshape(n1, n2) for part in parts)


def _rows_at_once(n: int, size: int) -> int:
    """Of `n` rows, a part without rest such that one array of the size of a row, times their number, suits the cache."""
    most = max(1, _PART // size) if jax.default_backend() == "cpu" else n
    return max(count for count in range(1, n + 1) if n % count == 0 and count <= most)


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
    return record(partial(_diagonal, get, network, inputs_of(network, x)))[0]


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
