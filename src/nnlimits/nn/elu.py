"""Exponential linear units."""

import jax
from jaxtyping import Array, Float

from nnlimits.nn.activation import KinkedAtZero
from nnlimits.nn.fields import Scalar, real_field


class Elu(KinkedAtZero):
    """`x` where positive, `alpha (exp(x) - 1)` elsewhere (Clevert, Unterthiner & Hochreiter 2016)."""

    alpha: Scalar = real_field("alpha", 1.0)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jax.nn.elu(x, self.alpha)


class Selu(KinkedAtZero):
    """The scaled exponential linear unit, whose mean 0 and variance 1 are a fixed point (Klambauer et al. 2017)."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jax.nn.selu(x)
