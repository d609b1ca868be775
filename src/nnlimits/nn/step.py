"""Piecewise constant functions."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.nn.activation import KinkedAtZero


class Step(KinkedAtZero):
    """1 where `x > 0`, 0 elsewhere. Its derivative is zero, so a finite network's layers below it do not train."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return (x > 0).astype(x.dtype)


class Sign(KinkedAtZero):
    """1 where `x > 0`, -1 where `x < 0`, 0 at zero. Its derivative is zero, as that of `Step`."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.sign(x)
