"""Rectifiers: functions with one slope below zero and another above."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.nn.activation import KinkedAtZero
from nnlimits.nn.fields import Scalar, real_field


class Relu(KinkedAtZero):
    """`max(x, 0)`."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jax.nn.relu(x)


class LeakyRelu(KinkedAtZero):
    """`x` where positive, `negative_slope * x` elsewhere."""

    negative_slope: Scalar = real_field("negative_slope", 0.01)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.where(x > 0, x, self.negative_slope * x)


class ABRelu(KinkedAtZero):
    """`a min(x, 0) + b max(x, 0)`: slope `a` below zero and `b` above (Tsuchida, Roosta-Khorasani & Gallagher 2018)."""

    a: Scalar = real_field("a")
    b: Scalar = real_field("b")

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.where(x > 0, self.b * x, self.a * x)


class Abs(KinkedAtZero):
    """The absolute value."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.abs(x)
