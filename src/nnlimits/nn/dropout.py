"""Dropout."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.fields import Scalar, probability_field
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization


class Dropout(Layer):
    """Sets each feature to zero with probability `rate`, and divides the rest by `1 - rate` (Srivastava et al. 2014).

    It acts where `apply` is given a random key, and is the identity without one.

    **Arguments:** `rate`, the probability of dropping a feature, in [0, 1).
    """

    rate: Scalar = probability_field("rate")

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        if key is None:
            return x
        keep = 1 - self.rate
        return jnp.where(jax.random.bernoulli(key, keep, x.shape), x / keep, 0)
