"""The covariance of the raw inputs: mean squares and angles, exact for near-duplicates and smooth at zero inputs."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from nnlimits.compute.refine import refine
from nnlimits.kernels.covariance import Covariance, tiny

# A matrix product leaves an absolute error of a few rounding units in the deficit, hence `unit / angle` in the angle.
# Below this multiple of the square root of the rounding unit that is too much, and the pair's difference is formed
# coordinate by coordinate.
_CLOSE = 16.0
_CHUNK = 256


def input_covariance(
    x1: Float[Array, "n1 d"], x2: Float[Array, "n2 d"], same: Bool[Array, "n1 n2"] | None, *, ntk: bool, keep_same: bool
) -> Covariance:
    """Covariance of all pairs of inputs, `<x, x'> / d`; pairs marked `same` have deficit exactly zero."""
    u1, q1 = _directions(x1)
    u2, q2 = _directions(x2)
    deficit = _deficits(u1, u2, jnp.zeros((x1.shape[0], x2.shape[0]), bool) if same is None else same)
    return Covariance(
        q1=q1[:, None],
        q2=q2[None, :],
        deficit=deficit,
        ntk=jnp.zeros_like(deficit) if ntk else None,
        width=jnp.asarray(float(x1.shape[1]), q1.dtype),
        same=same if keep_same else None,
        gaussian=False,
        fresh=True,
    )


def input_variance(x: Float[Array, "n d"], *, ntk: bool, keep_same: bool) -> Covariance:
    """The diagonal of `input_covariance(x, x)`, all arrays of shape `(n,)`."""
    _, q = _directions(x)
    zero = jnp.zeros_like(q)
    return Covariance(
        q1=q,
        q2=q,
        deficit=zero,
        ntk=zero if ntk else None,
        width=jnp.asarray(float(x.shape[1]), q.dtype),
        same=jnp.ones(q.shape, bool) if keep_same else None,
        gaussian=False,
        fresh=True,
    )


def _directions(x: Float[Array, "n d"]) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
    """Unit vectors and mean squares; a zero input has direction zero and the smallest variance, with exact derivatives."""
    q = jnp.mean(x**2, axis=1) + tiny(x.dtype)
    return x / jnp.sqrt(q * x.shape[1])[:, None], q


@jax.custom_jvp
def _deficits(u1: Float[Array, "n1 d"], u2: Float[Array, "n2 d"], same: Bool[Array, "n1 n2"]) -> Float[Array, "n1 n2"]:
    """`1 - <u1, u2>`; for close pairs as half of the squared distance."""
    plain = jnp.clip(1 - _product(u1, u2), 0.0, 2.0)
    close = (plain < _CLOSE * jnp.sqrt(jnp.finfo(plain.dtype).eps)) & ~same
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
    # directions have length one, or zero for a zero input, whose deficit is one
    missing = jnp.where((a == 0).all(1), 0.5, 0.0) + jnp.where((b == 0).all(1), 0.5, 0.0)
    return (jnp.minimum(((a - b) ** 2).sum(1) / 2 + missing, 2.0),)
