"""Layer normalization."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.context import mask_of
from nnlimits.nn.fields import Scalar, axes_field, non_negative_field
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization


class LayerNorm(Layer):
    """Centres and scales the features of each example to mean 0 and variance 1 (Ba, Kiros & Hinton 2016).

    Computes `(x - mean) / sqrt(variance + epsilon)`, both taken jointly over `axes`, without trainable gain or offset.

    **Arguments:** `epsilon`, at least 0, keeps the division finite where all features are equal; `axes`, axes of one
    example, counted from 0 or, if negative, from the end: `(-1,)` are the channels of each position by itself,
    `(0, 1, -1)` a whole image, `(0, 1)` each of its channels by itself.

    Inside `Masked`, mean and variance over positions are those of the unmasked ones, and masked ones become zeros.
    """

    epsilon: Scalar = non_negative_field("epsilon", 1e-12)
    axes: tuple[int, ...] = axes_field("axes", (-1,))

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if not input_shape:
            raise self._shape_error("expects at least one axis of features; it received ().")
        self._axes_of(input_shape, self.axes)
        return input_shape

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        axes = tuple(axis + 1 for axis in self._axes_of(x.shape[1:], self.axes))
        unmasked = self._unmasked(x, axes)
        centred = x - _mean(x, axes, unmasked)
        if unmasked is not None:
            centred = jnp.where(unmasked, centred, 0)
        variance = _mean(centred**2, axes, unmasked)
        return centred * lax.rsqrt(variance + self.epsilon)

    def _unmasked(self, x: Float[Array, "n ..."], axes: tuple[int, ...]) -> Array | None:
        """Where `x` counts, of its shape; `None` if it does everywhere."""
        mask = mask_of(x.shape[1:-1])
        if mask is None or axes == (x.ndim - 1,):
            return None
        return jnp.broadcast_to(~mask[..., None], x.shape)


def _mean(x: Float[Array, "n ..."], axes: tuple[int, ...], unmasked: Array | None) -> Float[Array, "n ..."]:
    """The mean over `axes` of the unmasked entries; zero where there are none."""
    if unmasked is None:
        return jnp.mean(x, axes, keepdims=True)
    total = jnp.sum(jnp.where(unmasked, x, 0), axes, keepdims=True)
    return total / jnp.maximum(unmasked.sum(axes, keepdims=True), 1).astype(x.dtype)
