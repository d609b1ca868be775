"""Flattening an array of features."""

import math

from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.context import without_masked
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization


class Flatten(Layer):
    """Lays the features of one example out along a single axis, the last axis varying fastest.

    Inside `Masked` there are zeros at masked positions.
    """

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (math.prod(input_shape),)

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n features"]:
        return without_masked(x).reshape(x.shape[0], math.prod(x.shape[1:]))
