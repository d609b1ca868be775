"""The images of a field at all displacements: side by side, summed over blocks of positions, or summed over all."""

import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.displacements import (
    Displacement,
    Field,
    all_displacements,
    apart,
    derived,
    join,
    no_displacement,
    number,
)
from nnlimits.kernels.per_input import per_input
from nnlimits.kernels.semivariance import joined, visible_variance


def shown(source: Field) -> Field:
    """The same field with variances of zero, exactly there, where positions are masked or beyond the image."""

    def compute(d: Displacement | None) -> Covariance:
        image = source.image(d)
        q1, q2 = per_input(partial(visible_variance, image.positions), image.q1, image.q2)
        return dataclasses.replace(image, q1=q1, q2=q2)

    return source if source.positions.all_seen else derived(source, compute)


def both(image: Covariance, beyond: float = 1.0) -> Array:
    """Semivariance and NTK of an image of a field that is `shown`, in one array.

    `beyond`: how much the semivariance with a unit that is not seen counts.
    """
    # not through `per_input`: the image's own variances are at hand
    r1, r2 = safe_root(image.q1), safe_root(image.q2)
    s, ntk = r1 * r2 * image.deficit + (r1 - r2) ** 2 / 2, image.ntk
    if image.positions is None or image.positions.all_seen:
        return joined(s, ntk)
    seen = (image.q1 > 0) & (image.q2 > 0)
    return joined(s if beyond else jnp.where(seen, s, 0.0), None if ntk is None else jnp.where(seen, ntk, 0.0))


def safe_root(q: Array) -> Array:
    """`sqrt(q)`, with a derivative of zero at zero."""
    return jnp.where(q > 0, jnp.sqrt(jnp.where(q > 0, q, 1.0)), 0.0)


def every_image(source: Field, beyond: float = 1.0) -> Array:
    """`both` at all displacements: their axes lead, one for each axis of positions."""
    grid = source.positions.grid
    source = shown(source)
    found = jax.lax.map(lambda d: both(source.at(tuple(d)), beyond), all_displacements(grid))
    return found.reshape(*grid, *found.shape[1:])


def every_block(source: Field, sizes: tuple[int, ...]) -> Array:
    """`both` at all displacements, summed over blocks of positions, of either input; the sizes divide the ring.

    With the displacement `size e + r` of position `size p + o`, the partner is in block `p + e`, or in the next one where `o +
    r` is not below the size. So the images of one `e` and all `r` add to two displacements of the blocks, along each axis.
    """
    source, pairs = shown(source), source.pairs.count
    blocks = tuple(g // size for g, size in zip(source.positions.grid, sizes, strict=True))
    shape = (math.prod(blocks), *blocks[:-1], blocks[-1] * pairs)

    def image(d: Array) -> Array:
        return both(source.at(tuple(d)))

    def add(found: Array, e: Array) -> tuple[Array, None]:
        images = jax.lax.map(lambda r: image(jnp.asarray(sizes) * e + r), all_displacements(sizes))
        parts = {(): images.reshape(*sizes, *source.positions.grid, pairs)}
        for _ in sizes:
            parts = {(*before, c): p for before, rest in parts.items() for c, p in _parted(rest, len(sizes))}
        for carry, part in parts.items():
            place = number(tuple((step + c) % grid for step, c, grid in zip(e, carry, blocks, strict=True)), blocks)
            here = jax.lax.dynamic_index_in_dim(found, place, keepdims=False)
            found = jax.lax.dynamic_update_index_in_dim(found, here + join(part), place, 0)
        return found, None

    like = jax.eval_shape(lambda: both(source.at(no_displacement(source.axes))))
    found = jax.lax.scan(add, jnp.zeros(shape, like.dtype), all_displacements(blocks))[0]
    return found.reshape(*blocks, *shape[1:])


def _parted(images: Array, axis: int) -> list[tuple[int, Array]]:
    """Sums over `r`, the first axis of `images`, and `o`, along the blocks of another `axis`: where `o + r` is below the size of
    the blocks, and where it is not.
    """
    size = images.shape[0]
    before, after = images.shape[1:axis], images.shape[axis + 1 :]
    split = images.reshape(size, *before, -1, size, *after)
    terms: dict[int, list[Array]] = {}
    for r, o in np.ndindex(size, size):
        terms.setdefault((o + r) // size, []).append(split[r][(slice(None),) * axis + (o,)])
    return [(c, sum(parts[1:], parts[0])) for c, parts in terms.items()]


def every_covariance(source: Field) -> Array:
    """NNGP, with zeros where a position is not seen, and NTK at all displacements, as `every_image`."""
    source = shown(source)

    def covariances(d: Array) -> Array:
        image = source.at(tuple(d))
        ntk = jnp.imag(both(image)) if image.ntk is not None else None
        return joined(safe_root(image.q1) * safe_root(image.q2) * (1 - image.deficit), ntk)

    found = jax.lax.map(covariances, all_displacements(source.positions.grid))
    return found.reshape(*source.positions.grid, *found.shape[1:])


def at_zero(values: Array, pairs: int) -> Array:
    """The real part of images at all displacements, of none: (*grid, pairs)."""
    return apart(jnp.real(values[(0,) * ((values.ndim) // 2)]), pairs)


def total(source: Field) -> Array:
    """The sum of `both` over all pairs of positions that are seen: one row of pairs."""
    axes, pairs = len(source.positions.grid), source.pairs.count
    source = shown(source)

    def image(d: Displacement) -> Array:
        return both(source.at(d), beyond=0.0)

    def add(sum_: Array, d: Array) -> tuple[Array, None]:
        return sum_ + image(tuple(d)), None  # whole images: a sum over their positions would not be made of vectors

    like = jax.eval_shape(lambda: image(no_displacement(axes)))
    images = jax.lax.scan(add, jnp.zeros(like.shape, like.dtype), all_displacements(source.positions.grid))[0]
    return apart(images, pairs).sum(tuple(range(axes)))
