"""The base of all nonlinearities that act on each feature by itself."""

import abc

from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization


class Activation(Layer):
    """A nonlinearity applied to each feature. A new one defines `__call__` and `kinks`."""

    @abc.abstractmethod
    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The function, elementwise; the result has the shape and the dtype of `x`."""

    @property
    @abc.abstractmethod
    def kinks(self) -> tuple[float, ...]:
        """The points where the function is not smooth; `()` if it is smooth everywhere."""

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        return self(x)


class SmoothActivation(Activation):
    """A nonlinearity with derivatives of all orders everywhere."""

    @property
    def kinks(self) -> tuple[float, ...]:
        """No kinks."""
        return ()


class KinkedAtZero(Activation):
    """A nonlinearity that is smooth everywhere except at zero."""

    @property
    def kinks(self) -> tuple[float, ...]:
        """One kink, at zero."""
        return (0.0,)
