"""The logistic function, and the activations made from it."""

import jax
from jaxtyping import Array, Float

from nnlimits.nn.activation import SmoothActivation


class Sigmoid(SmoothActivation):
    """`1 / (1 + exp(-x))`."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jax.nn.sigmoid(x)


class Silu(SmoothActivation):
    """`x / (1 + exp(-x))`, also known as swish (Elfwing, Uchibe & Doya 2018)."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jax.nn.silu(x)


class Softplus(SmoothActivation):
    """`log(1 + exp(x))`."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jax.nn.softplus(x)


class Mish(SmoothActivation):
    """`x tanh(log(1 + exp(x)))` (Misra 2020)."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jax.nn.mish(x)
