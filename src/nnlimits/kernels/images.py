"""The covariance of raw inputs that have positions: images, sequences and sets of features."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance, tiny
from nnlimits.kernels.displacements import Displacement, Field, Pairs, field, join, slice_at
from nnlimits.kernels.first_layers import opened, takes_tokens
from nnlimits.kernels.per_input import per_input
from nnlimits.kernels.positions import Positions
from nnlimits.kernels.semivariance import deficit_of

_FEW = 8


class Images(eqx.Module):
    """A batch of inputs with positions as the kernel sees them."""

    values: Float[Array, "channels *positions n"]
    variance: Float[Array, "*positions n"]
    """Mean square of the channels; of tokens, one."""
    mask: Bool[Array, "*positions n"] | None
    """Where positions are masked, if any may be."""
    adjacency: Float[Array, "nodes nodes n"] | None
    """Of graphs."""
    tokens: bool = eqx.field(static=True)
    """Whether the values are numbers of tokens."""


def images(network: nn.Layer, x: Float[Array, "n ..."]) -> Images:
    """Positions first, examples last; masks and graphs as the first layers of the network say."""
    mask, adjacency = None, None
    wrappers, row = opened(network)
    for wrapper in wrappers:
        if isinstance(wrapper, nn.Masked):
            mask = jnp.moveaxis(wrapper.mask(x), 0, -1)
        else:
            adjacency, x = map(jnp.asarray, wrapper.split(x))
            adjacency = jnp.moveaxis(adjacency, 0, -1)
    tokens = takes_tokens(nn.Sequential(*row))
    if tokens:
        values = jnp.moveaxis(x, 0, -1)[None]
        return Images(values, jnp.ones_like(values[0]), mask, adjacency, tokens)
    values = jnp.moveaxis(jnp.moveaxis(x, -1, 0), 1, -1)
    return Images(values, jnp.mean(values**2, axis=0) + tiny(x.dtype), mask, adjacency, tokens)


def image_covariance(
    first: Images, second: Images, same: Bool[Array, "n1 n2"] | None, *, ntk: bool, keep_same: bool
) -> Covariance:
    """The diagonal `p = p'` of all pairs of inputs, arrays of shape (*positions, n1, n2)."""
    q1, q2 = per_input(lambda q: q, first.variance[..., :, None], second.variance[..., None, :])
    s = _semivariance(first, first.values[..., :, None], second.values[..., None, :])
    alive = first.variance.shape[:-1]
    positions = Positions(alive, alive, masked=first.mask is not None)
    return _state(first, q1, q2, deficit_of(s, q1, q2), same if keep_same else None, positions, ntk=ntk)


def image_variance(batch: Images, *, ntk: bool, keep_same: bool) -> Covariance:
    """Of every example with itself, arrays of shape (*positions, n)."""
    q1, q2 = per_input(lambda q: q, batch.variance, batch.variance)
    zero = jnp.zeros_like(q1)
    deficit_of(zero, q1, q2)
    same = jnp.ones(zero.shape[-1:], bool) if keep_same else None
    alive = batch.variance.shape[:-1]
    return _state(batch, q1, q2, zero, same, _of_one_input(batch, alive), ntk=ntk)


def _of_one_input(batch: Images, alive: tuple[int, ...]) -> Positions:
    grid = batch.variance.shape[:-1]
    return Positions(alive, grid, mask=batch.mask, masked=batch.mask is not None)


def _state(
    batch: Images, q1: Array, q2: Array, deficit: Array, same: Array | None, positions: Positions, *, ntk: bool
) -> Covariance:
    return Covariance(
        q1=q1,
        q2=q2,
        deficit=deficit,
        ntk=jnp.zeros_like(deficit) if ntk else None,
        width=jnp.asarray(float(batch.values.shape[0]), deficit.dtype),
        same=same,
        gaussian=False,
        fresh=True,
        positions=positions,
    )


def _semivariance(
    batch: Images, a: Float[Array, "channels ..."], b: Float[Array, "channels ..."]
) -> Float[Array, "..."]:
    if batch.tokens:
        return (a[0] != b[0]).astype(a.dtype)
    return _half_mean_square(a, b)


def _half_mean_square(a: Float[Array, "channels ..."], b: Float[Array, "channels ..."]) -> Float[Array, "..."]:
    """Half of the mean squared difference: exact for inputs that nearly coincide."""
    channels = a.shape[0]
    if channels <= _FEW:
        return sum(((a[c] - b[c]) ** 2 for c in range(1, channels)), (a[0] - b[0]) ** 2) / (2 * channels)
    shape = jnp.broadcast_shapes(a.shape[1:], b.shape[1:])

    def add(total: Array, ab: tuple[Array, Array]) -> tuple[Array, None]:
        return total + (ab[0] - ab[1]) ** 2, None

    return lax.scan(add, jnp.zeros(shape, a.dtype), (a, b), unroll=_FEW)[0] / (2 * channels)


def image_field(
    first: Images, second: Images, pairs: Pairs, same: Bool[Array, " pairs"] | None, grid: tuple[int, ...], *, ntk: bool
) -> Field:
    """All displacements of the pairs of two batches, on a grid at least as large as the images."""
    alive = first.variance.shape[:-1]
    first, second = _on(grid, first), _on(grid, second)
    values1 = join(first.values[..., pairs.first])
    values2 = join(second.values[..., pairs.second])
    for axis in range(1, values2.ndim):
        values2 = jnp.concatenate([values2, values2], axis)

    def compute(d: Displacement | None) -> Covariance:
        q1, q2 = per_input(lambda q: q, first.variance, first.variance)
        positions = dataclasses.replace(_of_one_input(first, alive), cyclic=True)
        if d is None:
            s, same_here = jnp.zeros_like(q1), None if same is None else jnp.ones(q1.shape[-1:], bool)
        else:
            s = _semivariance(first, values1, slice_at(values2, [0, *d[:-1], d[-1] * pairs.count], values1.shape))
            same_here = None if same is None else jnp.tile(same, grid[-1]) & ~jnp.stack(d).any()
            positions = dataclasses.replace(positions, displacement=d, mask=None)
        return _state(first, q1, q2, deficit_of(s, q1, q2), same_here, positions, ntk=ntk)

    return field(pairs, compute, (1,) * len(alive), first.adjacency)


def _on(grid: tuple[int, ...], batch: Images) -> Images:
    """With zeros beyond the image."""
    more = [*((0, g - size) for g, size in zip(grid, batch.variance.shape[:-1], strict=True)), (0, 0)]
    mask = None if batch.mask is None else jnp.pad(batch.mask, more)
    variance = jnp.pad(batch.variance, more, constant_values=tiny(batch.variance.dtype))
    return Images(jnp.pad(batch.values, [(0, 0), *more]), variance, mask, batch.adjacency, batch.tokens)
