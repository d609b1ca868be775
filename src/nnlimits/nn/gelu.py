"""The Gaussian error linear unit."""

import math

import jax
from jax import lax
from jaxtyping import Array, Float

from nnlimits.nn.activation import SmoothActivation
from nnlimits.nn.fields import flag_field


class Gelu(SmoothActivation):
    """`x Phi(x)`, with Phi the normal distribution function (Hendrycks & Gimpel 2016).

    **Arguments:** `approximate`: use the common approximation
    `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2` instead.
    """

    approximate: bool = flag_field("approximate", False)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        if self.approximate:
            return jax.nn.gelu(x, approximate=True)
        return 0.5 * x * lax.erfc(-math.sqrt(0.5) * x)
