"""What words have in common that take the depth of the `Repeat` in whose block they stand."""

import abc

from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization


class DepthDependent(Layer):
    """A word that depends on the depth of the innermost `Repeat` in whose block it stands, which writes it out by `at_depth`.

    By itself it has no function: outside of every `Repeat`, a network that holds it has no shapes.
    """

    @abc.abstractmethod
    def at_depth(self, depth: int | float) -> Layer:
        """The layer that it is in a `Repeat` of that depth; of an infinite one, its limit."""

    @property
    @abc.abstractmethod
    def advice(self) -> tuple[str, str]:
        """A `Repeat` that it belongs in, and what to use outside of all, as one writes them."""

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        example, instead = self.advice
        raise self._shape_error(
            f"stands in no nn.Repeat whose depth it could take. Put it into the block of one, such as {example}, or use {instead}"
        )

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        self.output_shape(x.shape[1:])
        return x
