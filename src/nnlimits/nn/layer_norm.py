"""Layer normalization."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.fields import Scalar, non_negative_field
from nnlimits.nn.layer import Layer


class LayerNorm(Layer):
    """Centres and scales the features (last axis) of each example to mean 0 and variance 1 (Ba, Kiros & Hinton 2016).

    Computes `(x - mean) / sqrt(variance + epsilon)`, without trainable gain or offset.

    **Arguments:** `epsilon`, at least 0, keeps the division finite where all features are equal.
    """

    epsilon: Scalar = non_negative_field("epsilon", 1e-12)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if not input_shape:
            raise self._shape_error("expects at least one axis of features; it received ().")
        return input_shape

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: str
    ) -> Float[Array, "n ..."]:
        centred = x - jnp.mean(x, axis=-1, keepdims=True)
        variance = jnp.mean(centred**2, axis=-1, keepdims=True)
        return centred * lax.rsqrt(variance + self.epsilon)
