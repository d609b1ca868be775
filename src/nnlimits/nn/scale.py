"""Multiplication by a constant."""

from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.fields import Scalar, real_field
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization


class Scale(Layer):
    """`factor x`, with a factor that is not trained: the weight of a branch, or a normalization by known statistics.

    **Arguments:** `factor`, a real number.
    """

    factor: Scalar = real_field("factor")

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        return self.factor * x
