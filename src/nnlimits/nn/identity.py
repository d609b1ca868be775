"""The layer that does nothing."""

from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization


class Identity(Layer):
    """Returns its input: the shortcut of a residual block, or a linear network's nonlinearity."""

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        return x
