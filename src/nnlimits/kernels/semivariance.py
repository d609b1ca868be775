"""The covariance as half of the mean squared difference of the two units: linear in the pair, and exact where they are close.

`S = E[(u - v)^2] / 2 = (q1 + q2) / 2 - K`. The layers that average over positions average `S` as they average `K`, and
where two inputs nearly coincide everything is small, so that nothing cancels.
"""

import dataclasses
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Inexact

from nnlimits.kernels.covariance import Covariance, between, safe_sqrt, tiny
from nnlimits.kernels.per_input import per_input
from nnlimits.kernels.positions import Positions

Values = Float[Array, "..."]
Joined = Inexact[Array, "..."]
"""One array, or two as the real and the imaginary part."""


class Visible(NamedTuple):
    """The semivariance and the NTK of pairs, with zeros for units at positions that are not seen."""

    s: Values
    ntk: Values | None


def visible(covariance: Covariance) -> Visible:
    """What a layer that mixes positions sees of `covariance`."""
    if covariance.seen is not None:
        return Visible(*covariance.seen)
    positions = covariance.positions
    r1, r2 = per_input(partial(visible_root, positions), covariance.q1, covariance.q2)
    s = r1 * r2 * covariance.deficit + (r1 - r2) ** 2 / 2
    ntk = covariance.ntk
    if ntk is not None and positions is not None and not positions.all_seen:
        ntk = jnp.where(r1 * r2 > 0, ntk, 0.0)
    return Visible(s, ntk)


def as_seen(covariance: Covariance) -> Covariance:
    """The same with `visible` in the place of the deficit and the NTK: for layers that ask for nothing else."""
    nothing = jnp.zeros((), covariance.deficit.dtype)
    ntk = None if covariance.ntk is None else nothing
    return dataclasses.replace(covariance, deficit=nothing, ntk=ntk, seen=tuple(visible(covariance)))


def as_deficits(covariance: Covariance) -> Covariance:
    """The inverse of `as_seen`."""
    s, ntk = visible(covariance)
    return dataclasses.replace(covariance, deficit=deficit_of(s, covariance.q1, covariance.q2), ntk=ntk, seen=None)


def visible_variance(positions: Positions | None, q: Values) -> Values:
    """The variance of each input, zero where it is not seen, and nowhere else."""
    if positions is None or positions.all_seen:
        return q
    return jnp.where(positions.seen(q), q + tiny(q.dtype), 0.0)


def visible_root(positions: Positions | None, q: Values) -> Values:
    """The root of `visible_variance`, with a finite derivative."""
    if positions is None or positions.all_seen:
        return safe_sqrt(q)
    return jnp.where(positions.seen(q), safe_sqrt(q), 0.0)


def deficit_of(s: Values, q1: Values, q2: Values) -> Values:
    """The deficit of pairs with these variances and semivariance; zero where a variance is zero."""
    (r1, inverse1), (r2, inverse2) = per_input(root_and_inverse, q1, q2)
    return between((s - (r1 - r2) ** 2 / 2) * (inverse1 * inverse2), 0.0, 2.0)


def root_and_inverse(q: Values) -> tuple[Values, Values]:
    """The root of a variance and its inverse; zero where the variance is."""
    something = q > jnp.finfo(q.dtype).tiny ** 0.4
    root = safe_sqrt(q)
    return root, jnp.where(something, 1 / jnp.where(something, root, 1.0), 0.0)


def joined(s: Values, ntk: Values | None) -> Joined:
    """Both large arrays in one of complex numbers, for linear maps: half as many passes over the pairs."""
    return s if ntk is None else lax.complex(*jnp.broadcast_arrays(s, ntk))


def parted(values: Joined, ntk: Values | None) -> tuple[Values, Values | None]:
    """The two arrays again."""
    return (values, None) if ntk is None else (jnp.real(values), jnp.imag(values))
