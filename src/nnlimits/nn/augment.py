"""Channels added to an input."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.affine import check_parameters
from nnlimits.nn.fields import integer_field
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization


class Augment(Layer):
    """Appends `channels` channels, which hold the same trainable numbers at every position of every example, zero at first.

    With zeros it gives paths more room, as `augment` of `nn.NeuralODE` does (Dupont, Doucet & Teh 2019); with other numbers in
    each block of a `Repeat` it tells the block its depth. The parameters are `{"value": (channels,)}`, the same in every
    parameterization.

    **Arguments:** `channels`, at least 1.
    """

    channels: int = integer_field("channels", 1)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if not input_shape:
            raise self._shape_error("expects an axis of channels; it received ().")
        return (*input_shape[:-1], input_shape[-1] + self.channels)

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Zeros."""
        self.output_shape(input_shape)
        return {"value": jnp.zeros((self.channels,), dtype)}

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        check_parameters(self, params, {"value": (self.channels,)}, x.shape[1:])
        value = jnp.broadcast_to(jnp.asarray(params["value"], x.dtype), (*x.shape[:-1], self.channels))
        return jnp.concatenate([x, value], -1)
