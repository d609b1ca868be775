"""The Gaussian error linear unit."""

import math

import equinox as eqx
import jax
from jax import lax
from jaxtyping import Array, Float

from nnlimits.nn.activation import SmoothActivation


class Gelu(SmoothActivation):
    """`x Phi(x)`, with Phi the normal distribution function (Hendrycks & Gimpel 2016).

    **Arguments:** `approximate`: use the common approximation
    `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2` instead.
    """

    approximate: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if not isinstance(self.approximate, bool):
            raise TypeError(f"approximate must be True or False; received {self.approximate!r}")

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        if self.approximate:
            return jax.nn.gelu(x, approximate=True)
        return 0.5 * x * lax.erfc(-math.sqrt(0.5) * x)
