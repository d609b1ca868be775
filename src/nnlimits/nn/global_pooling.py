"""Sums and averages over all positions."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.context import mask_of, without_masked
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization


class _GlobalPool(Layer):
    """What `GlobalAvgPool` and `GlobalSumPool` have in common."""

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(input_shape) < 2:
            raise self._shape_error(
                f"expects positions and channels, such as (32, 32, 3); it received {input_shape}, where nothing is to pool."
            )
        return input_shape[-1:]

    def _sum(self, x: Float[Array, "n ..."]) -> Float[Array, "n channels"]:
        return without_masked(x).sum(range(1, x.ndim - 1))


class GlobalSumPool(_GlobalPool):
    """The sum of each channel over all positions: (*positions, C) to (C,). Inside `Masked`, over unmasked ones."""

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n channels"]:
        return self._sum(x)


class GlobalAvgPool(_GlobalPool):
    """The average of each channel over all positions: (*positions, C) to (C,). Inside `Masked`, over unmasked ones."""

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n channels"]:
        mask = mask_of(x.shape[1:-1])
        if mask is None:
            return self._sum(x) / math.prod(x.shape[1:-1])
        unmasked = (~mask).sum(range(1, mask.ndim))[:, None]
        return self._sum(x) / jnp.maximum(unmasked, 1).astype(x.dtype)
