"""The trainable gain and offset that follow a normalization."""

from typing import Any

from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.affine import check_parameters, scaled
from nnlimits.nn.fields import flag_field
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization, Vector


class ChannelAffine(Layer):
    """Multiplies each channel by a trainable gain, which starts as 1, and adds a trainable offset, which starts as 0.

    It is the second half of the usual layer normalization (Ba, Kiros & Hinton 2016, equation 4) and of batch normalization: the
    identity at initialization, with gradients of its own. The parameters are `{"gain": (C,), "offset": (C,)}`, the same in the
    NTK and the standard parameterization; others scale them as they do biases.

    **Arguments:** `gain` and `offset`, whether it has the one and the other.
    """

    gain: bool = flag_field("gain", True)
    offset: bool = flag_field("offset", True)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if not input_shape:
            raise self._shape_error("expects an axis of channels; it received ().")
        return input_shape

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Ones and zeros."""
        shapes = self._shapes(self.output_shape(input_shape))
        return {
            name: parameterization.filled(float(name == "gain"), shape, parameterization.scales(_scale(shape)), dtype)
            for name, shape in shapes.items()
        }

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        if not (self.gain or self.offset):
            return x
        check_parameters(self, params, self._shapes(x.shape[1:]), x.shape[1:])
        scale = _scale(x.shape[-1:])
        x = x * scaled(params["gain"], scale, parameterization) if self.gain else x
        return x + scaled(params["offset"], scale, parameterization) if self.offset else x

    def _shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {name: input_shape[-1:] for name in ("gain", "offset") if getattr(self, name)}


def _scale(shape: tuple[int, ...]) -> Vector:
    return Vector(1.0, shape[-1], "input")
