"""The Gaussian error linear unit."""

import math
from typing import Any

import equinox as eqx
import jax
from jax import lax
from jaxtyping import Array, Float

from nnlimits.nn.activation import SmoothActivation


def _as_bool(approximate: Any) -> bool:
    if not isinstance(approximate, bool):
        raise TypeError(f"approximate must be True or False; received {approximate!r}")
    return approximate


class Gelu(SmoothActivation):
    """`x Phi(x)`, with Phi the normal distribution function (Hendrycks & Gimpel 2016).

    **Arguments:** `approximate`: use the common approximation
    `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2` instead.
    """

    approximate: bool = eqx.field(static=True, default=False, converter=_as_bool)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        if self.approximate:
            return jax.nn.gelu(x, approximate=True)
        return 0.5 * x * lax.erfc(-math.sqrt(0.5) * x)
