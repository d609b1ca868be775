"""The Gaussian bump, and the Gabor function."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.nn.activation import SmoothActivation
from nnlimits.nn.fields import Scalar, real_field


class Gaussian(SmoothActivation):
    """`a exp(b x^2)`. With `b > 0` it has moments only at input variances below `1 / (4 b)`."""

    a: Scalar = real_field("a", 1.0)
    b: Scalar = real_field("b", -1.0)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.a * jnp.exp(self.b * x**2)


class Gabor(SmoothActivation):
    """`exp(-x^2) sin(x)`."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.exp(-(x**2)) * jnp.sin(x)
