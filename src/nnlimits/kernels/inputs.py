"""The covariance of the raw inputs: mean squares and angles, exact for near-duplicates and smooth at zero inputs."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from nnlimits.compute.refine import refine
from nnlimits.kernels.covariance import Covariance, tiny

# A matrix product leaves an absolute error of a few rounding units in the deficit, hence `unit / angle` in the angle.
# Within this multiple of the square root of the rounding unit from 0 or 2 that is too much, and the pair's difference
# (or sum) is formed coordinate by coordinate.
_CLOSE = 16.0
_CHUNK = 256


class Rows(NamedTuple):
    """A batch of inputs as the kernel sees them: found once, used in every pair."""

    direction: Float[Array, "n d"]
    """Unit vectors; zero for an input of zeros."""
    variance: Float[Array, " n"]
    """Mean squares of the features."""


def rows(x: Float[Array, "n ..."]) -> Rows:
    """Directions and variances; a zero input has direction zero and the smallest variance, with exact derivatives."""
    x = x.reshape(x.shape[0], -1)
    variance = jnp.mean(x**2, axis=1) + tiny(x.dtype)
    return Rows(x / jnp.sqrt(variance * x.shape[1])[:, None], variance)


def input_covariance(
    rows1: Rows, rows2: Rows, same: Bool[Array, "n1 n2"] | None, *, ntk: bool, keep_same: bool
) -> Covariance:
    """Covariance of all pairs of inputs, `<x, x'> / d`; pairs marked `same` have deficit exactly zero."""
    shape = (rows1.variance.shape[0], rows2.variance.shape[0])
    deficit = _deficits(rows1.direction, rows2.direction, jnp.zeros(shape, bool) if same is None else same)
    return Covariance(
        q1=rows1.variance[:, None],
        q2=rows2.variance[None, :],
        deficit=deficit,
        ntk=jnp.zeros_like(deficit) if ntk else None,
        width=_features(rows1),
        same=same if keep_same else None,
        gaussian=False,
        fresh=True,
    )


def input_variance(batch: Rows, *, ntk: bool, keep_same: bool) -> Covariance:
    """The diagonal of `input_covariance(batch, batch)`, all arrays of shape `(n,)`."""
    q = batch.variance
    zero = jnp.zeros_like(q)
    return Covariance(
        q1=q,
        q2=q,
        deficit=zero,
        ntk=zero if ntk else None,
        width=_features(batch),
        same=jnp.ones(q.shape, bool) if keep_same else None,
        gaussian=False,
        fresh=True,
    )


def _features(batch: Rows) -> Float[Array, ""]:
    return jnp.asarray(float(batch.direction.shape[1]), batch.variance.dtype)


@jax.custom_jvp
def _deficits(u1: Float[Array, "n1 d"], u2: Float[Array, "n2 d"], same: Bool[Array, "n1 n2"]) -> Float[Array, "n1 n2"]:
    """`1 - <u1, u2>`; for close pairs half of the squared distance, for opposite ones two minus half of that of `u1, -u2`."""
    plain = jnp.clip(1 - _product(u1, u2), 0.0, 2.0)
    close = (jnp.minimum(plain, 2 - plain) < _CLOSE * jnp.sqrt(jnp.finfo(plain.dtype).eps)) & ~same
    (deficit,) = refine(close, (plain,), partial(_by_distance, u1, u2), _CHUNK)
    return jnp.where(same, 0.0, deficit)


@_deficits.defjvp
def _(primals, tangents):
    (u1, u2, same), (d1, d2, _) = primals, tangents
    return _deficits(u1, u2, same), -jnp.where(same, 0.0, _product(d1, u2) + _product(u1, d2))


def _product(a: Float[Array, "n1 d"], b: Float[Array, "n2 d"]) -> Float[Array, "n1 n2"]:
    return jnp.matmul(a, b.T, precision=jax.lax.Precision.HIGHEST)


def _by_distance(u1, u2, indices) -> tuple[Float[Array, " chunk"]]:
    i, j = indices
    a, b = u1[i], u2[j]
    apart, together = ((a - b) ** 2).sum(1) / 2, ((a + b) ** 2).sum(1) / 2
    # directions have length one, or zero for a zero input, whose deficit is one
    missing = jnp.where((a == 0).all(1), 0.5, 0.0) + jnp.where((b == 0).all(1), 0.5, 0.0)
    return (jnp.where(apart <= together, apart, 2 - together) + missing,)
