"""A linear map of chosen axes."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.nn.affine import Affine
from nnlimits.nn.context import keeps_mask, without_masked
from nnlimits.nn.fields import Scalar, axes_field, bias_field, integer_field, non_negative_field


class Linear(Affine):
    """One affine map of the chosen axes to `width` features, shared over all other axes.

    By default it maps the channels at every position: (*positions, C) to (*positions, width). The contracted axes
    disappear, and the new features are the last axis. In the NTK parameterization
    `y = w_std / sqrt(fan_in) W x + b_std b`, the fan-in being the product of the contracted sizes and all entries of W and b
    from N(0, 1); in the standard one the scales are drawn into W and b. The parameters are
    `{"weight": (*contracted sizes, width), "bias": (width,)}`, the contracted axes in the order of the input.

    **Arguments:** `width`, the number of output features; `axes`, the contracted axes of one example, counted from 0 or, if
    negative, from the end, with the last among them; `w_std` and `b_std`, the scales of weights and biases, at least 0
    (`b_std=None`: no bias).

    Inside `Masked` it reads zeros at masked positions where it contracts positions.
    """

    width: int = integer_field("width", 1)
    axes: tuple[int, ...] = axes_field("axes", (-1,))
    w_std: Scalar = non_negative_field("w_std", 1.0)
    b_std: Scalar | None = bias_field()

    def contracted(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The contracted axes of an example of `input_shape`, counted from 0 and in order."""
        axes = self._axes_of(input_shape, self.axes)
        if not axes or axes[-1] != len(input_shape) - 1:
            raise self._shape_error(
                f"must contract the last axis, the channels; axes={self.axes} of its input {input_shape} leave it out. "
                "Add -1 to axes."
            )
        return axes

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        contracted = self.contracted(input_shape)
        remaining = (size for axis, size in enumerate(input_shape) if axis not in contracted)
        return keeps_mask(self, input_shape, (*remaining, self.width))

    def weight_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*(input_shape[axis] for axis in self.contracted(input_shape)), self.width)

    def bias_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.width,)

    def fan_in(self, input_shape: tuple[int, ...]) -> int:
        return math.prod(self.weight_shape(input_shape)[:-1])

    def linear(self, weight: Float[Array, "..."], x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        axes = [axis + 1 for axis in self.contracted(x.shape[1:])]
        if len(axes) > 1:
            x = without_masked(x)
        return jnp.tensordot(x, weight, (axes, list(range(len(axes)))))
