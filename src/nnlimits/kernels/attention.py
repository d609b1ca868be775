"""Kernel rules of `SelfAttention` (Hron et al. 2020) and `Aggregate` (Du et al. 2019): the inputs tell what is mixed."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels.collected import every_covariance
from nnlimits.kernels.displacements import Field, apart, join, no_displacement
from nnlimits.kernels.linear import trained_bias
from nnlimits.kernels.mixing import mixing_rule
from nnlimits.kernels.mixture import Mixture, from_covariances, mixed
from nnlimits.kernels.per_input import of_examples
from nnlimits.kernels.positions import Positions
from nnlimits.kernels.semivariance import joined, parted
from nnlimits.nn.fields import Scalar

Plain = Float[Array, "pairs t t"]
"""Covariances between all positions of the first input and all of the second."""


def plain_of(values: Array, source: Field) -> tuple[Plain, Plain | None]:
    """NNGP and NTK from images at all displacements."""
    positions, pairs = source.positions, source.pairs.count
    first = np.indices(positions.alive).reshape(source.axes, -1)
    moved = (first[:, None, :] - first[:, :, None]) % np.reshape(positions.grid, (-1, 1, 1))
    displacement = np.ravel_multi_index(tuple(moved), positions.grid)
    place = np.ravel_multi_index(tuple(first), positions.grid)
    flat = apart(values, pairs).reshape(int(np.prod(positions.grid)), -1, pairs)
    plain = jnp.moveaxis(flat[displacement, place[:, None]], -1, 0)
    return parted(plain, jnp.imag(plain) if jnp.iscomplexobj(plain) else None)


def _displaced(nngp: Plain, ntk: Plain | None, alive: tuple[int, ...]) -> Array:
    """Images at all displacements of a ring of the image's size."""
    first = np.indices(alive).reshape(len(alive), -1)
    moved = (first[:, :, None] + first[:, None, :]) % np.reshape(alive, (-1, 1, 1))
    second = np.asarray(np.ravel_multi_index(tuple(moved), alive))
    values = jnp.moveaxis(joined(nngp, ntk), 0, -1)[np.arange(len(second))[None], second]
    return join(values.reshape(*alive, *alive, -1))


def mixture_of(source: Field, nngp: Plain, ntk: Plain | None, layer: nn.SelfAttention | None = None) -> Mixture:
    """What a layer made of all pairs of positions, which stay as they are."""
    alive = source.positions.alive
    positions = Positions(alive, alive, cyclic=True, masked=source.positions.masked)
    return from_covariances(_displaced(nngp, ntk, alive), positions, source.pairs.count, layer)


def _through(first: Plain, plain: Plain, second: Plain) -> Plain:
    """`A K A'`."""
    return jnp.einsum("bpq,bqk,blk->bpl", first, plain, second, precision=jax.lax.Precision.HIGHEST)


@mixing_rule.register
def _aggregate(layer: nn.Aggregate, source: Field, parameterization: str) -> Field:
    """`K' = A K A'^T`, with the adjacency matrices of both graphs."""
    if source.graphs is None:
        raise NotImplementedError("nn.Aggregate needs a graph; a network with kernels starts with nn.GraphNetwork(...)")
    first, second = of_examples(lambda: _matrices(layer, source))
    first, second = jnp.moveaxis(first, -1, 0), jnp.moveaxis(second, -1, 0)
    nngp, ntk = plain_of(every_covariance(source), source)
    after = None if ntk is None else _through(first, ntk, second)
    return mixed(source, mixture_of(source, _through(first, nngp, second), after))


def _matrices(layer: nn.Aggregate, source: Field) -> Float[Array, "nodes nodes n"]:
    assert source.graphs is not None
    mask = mask_of(source)
    matrix = layer.matrix(jnp.moveaxis(source.graphs, -1, 0), None if mask is None else mask.T)
    return jnp.moveaxis(matrix, 0, -1)


def mask_of(source: Field) -> Array | None:
    """Where the examples of a batch that is recorded mask positions, (positions, n)."""
    assert source.zero is not None
    assert source.zero.positions is not None
    mask = source.zero.positions.mask
    if mask is None:
        return None
    return mask[tuple(slice(0, size) for size in source.positions.alive)].reshape(-1, mask.shape[-1])


@mixing_rule.register
def _self_attention(layer: nn.SelfAttention, source: Field, parameterization: str) -> Field:
    """The limit of many heads and wide keys and values (Hron et al. 2020, theorem 3 and section 3)."""
    nngp, ntk = plain_of(every_covariance(source), source)
    attend = _by_average if layer.scaling == "linear" else _by_chance
    value, below, own = attend(layer, source, nngp, ntk, parameterization)
    bias = 0.0 if layer.b_std is None else layer.b_std**2
    if below is not None:
        below = own * value + below + (trained_bias(layer) if parameterization == "standard" else bias)
    return mixed(source, mixture_of(source, _gain(layer) * value + bias, below, layer))


def _gain(layer: nn.SelfAttention) -> Scalar:
    gain = layer.w_out_std**2 * layer.w_value_std**2
    return gain if layer.scaling == "linear" else gain * layer.w_query_std**2 * layer.w_key_std**2


def _by_average(
    layer: nn.SelfAttention, source: Field, nngp: Plain, ntk: Plain | None, parameterization: str
) -> tuple[Plain, Plain | None, Scalar]:
    """Logits divided by the width of the keys settle: `K' = A K A'` with each input's own attention A.

    Returns the covariance up to the layer's gain, the part of the NTK that comes from below, and the factor of the
    covariance in what the layer's own weights add. Queries and keys add nothing, as their gradients vanish.
    """
    first, second = of_examples(lambda: jnp.moveaxis(_attention(layer, source, nngp), 0, -1))
    first, second = jnp.moveaxis(first, -1, 0), jnp.moveaxis(second, -1, 0)
    value = _through(first, nngp, second)
    below = None if ntk is None else _gain(layer) * _through(first, ntk, second)
    if parameterization == "ntk":
        return value, below, 2 * _gain(layer)
    width = source.at(no_displacement(source.axes)).width
    own = layer.heads * layer.value_width * layer.w_value_std**2 + width * layer.w_out_std**2
    return value, below, own


def _attention(layer: nn.SelfAttention, source: Field, nngp: Plain) -> Plain:
    """Of every example of a batch that is recorded."""
    logits = layer.w_query_std * layer.w_key_std * nngp
    mask = mask_of(source)
    masked = None if mask is None else mask.T[:, None, :]
    if layer.attention == "identity":
        return logits if masked is None else jnp.where(masked, 0.0, logits)
    if masked is not None:
        logits = jnp.where(masked, jnp.finfo(logits.dtype).min, logits)
    return jax.nn.softmax(logits, axis=-1)


def _by_chance(
    layer: nn.SelfAttention, source: Field, nngp: Plain, ntk: Plain | None, parameterization: str
) -> tuple[Plain, Plain | None, Scalar]:
    """Logits divided by the root of the keys' width stay random: without a softmax `K' = K(p, p') sum K(q, q')^2`.

    Returns the same as `_by_average`.
    """
    if layer.attention != "identity":
        raise NotImplementedError(
            f"{layer!r} has no kernel in closed form: with scaling='sqrt' its attention stays random, and the mean over its "
            "softmax is not known. Use scaling='linear', or attention='identity'"
        )
    squares = (nngp**2).sum((1, 2), keepdims=True)
    value = nngp * squares
    gain = _gain(layer)
    below = None
    if ntk is not None:
        below = gain * (ntk * squares + 2 * nngp * (nngp * ntk).sum((1, 2), keepdims=True))
    if parameterization == "ntk":
        return value, below, 4 * gain
    query, key, v, out = (std**2 for std in (layer.w_query_std, layer.w_key_std, layer.w_value_std, layer.w_out_std))
    width = source.at(no_displacement(source.axes)).width
    own = layer.heads * layer.value_width * query * key * v + width * out * (query * key + v * key + v * query)
    return value, below, own
