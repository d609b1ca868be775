"""The hyperbolic tangent, and its piecewise linear relative."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.nn.activation import Activation, SmoothActivation


class Tanh(SmoothActivation):
    """The hyperbolic tangent."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.tanh(x)


class HardTanh(Activation):
    """`x` clipped to [-1, 1]."""

    @property
    def kinks(self) -> tuple[float, ...]:
        """Two kinks, at -1 and 1."""
        return (-1.0, 1.0)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jax.nn.hard_tanh(x)
