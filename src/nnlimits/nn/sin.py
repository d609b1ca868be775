"""Sinusoids."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.nn.activation import SmoothActivation
from nnlimits.nn.fields import Scalar, non_negative_field, real_field


class Sin(SmoothActivation):
    """`a sin(b x + c)`."""

    a: Scalar = real_field("a", 1.0)
    b: Scalar = real_field("b", 1.0)
    c: Scalar = real_field("c", 0.0)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.a * jnp.sin(self.b * x + self.c)


class Cos(SmoothActivation):
    """`a cos(b x + c)`."""

    a: Scalar = real_field("a", 1.0)
    b: Scalar = real_field("b", 1.0)
    c: Scalar = real_field("c", 0.0)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.a * jnp.cos(self.b * x + self.c)


class Rbf(SmoothActivation):
    """`sqrt(2) sin(sqrt(2 gamma) x + pi / 4)`, whose dual is the Gaussian kernel `exp(-gamma E[(u - v)^2])`.

    Random Fourier features (Rahimi & Recht 2007) written as a layer. **Arguments:** `gamma`, at least 0.
    """

    gamma: Scalar = non_negative_field("gamma", 1.0)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return math.sqrt(2) * jnp.sin(jnp.sqrt(2 * self.gamma) * x + math.pi / 4)
