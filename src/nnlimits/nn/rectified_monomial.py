"""Powers of the rectifier."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.nn.activation import KinkedAtZero
from nnlimits.nn.fields import integer_field


class RectifiedMonomial(KinkedAtZero):
    """`x^degree` where `x > 0`, 0 elsewhere: `Step` at degree 0, `Relu` at degree 1 (Cho & Saul 2009, equation 1)."""

    degree: int = integer_field("degree", 0)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        positive = x > 0
        return jnp.where(positive, jnp.where(positive, x, 1) ** self.degree, 0)
