"""The convolution without weight sharing."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.nn.affine import Affine
from nnlimits.nn.context import keeps_mask, without_masked
from nnlimits.nn.fields import Scalar, bias_field, integer_field, non_negative_field, padding_field, sizes_field
from nnlimits.nn.window import Padding, Windows, windows


class LocallyConnected(Affine):
    """A `Conv` whose weight and bias are drawn anew at every output position (Novak et al. 2019, section 5.1).

    The parameters are `{"weight": (*new positions, *kernel_size, C, width), "bias": (*new positions, width)}`; the scales are
    those of `Conv`.

    **Arguments:** as those of `Conv`, without dilation.

    Inside `Masked` it reads zeros at masked positions.
    """

    width: int = integer_field("width", 1)
    kernel_size: int | tuple[int, ...] = sizes_field("kernel_size")
    stride: int | tuple[int, ...] = sizes_field("stride", 1)
    padding: Padding = padding_field("same")
    w_std: Scalar = non_negative_field("w_std", 1.0)
    b_std: Scalar | None = bias_field()

    def windows(self, input_shape: tuple[int, ...]) -> Windows:
        """The geometry of the layer on an example of `input_shape`."""
        return windows(self, input_shape, self.kernel_size, self.stride, 1, self.padding)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return keeps_mask(self, input_shape, self.bias_shape(input_shape))

    def weight_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        window = self.windows(input_shape)
        return (*window.outputs, *window.kernel, input_shape[-1], self.width)

    def bias_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*self.windows(input_shape).outputs, self.width)

    def fan_in(self, input_shape: tuple[int, ...]) -> int:
        return math.prod(self.windows(input_shape).kernel) * input_shape[-1]

    def linear(self, weight: Float[Array, "..."], x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        window, fan_in = self.windows(x.shape[1:]), self.fan_in(x.shape[1:])
        patches = window.patches(without_masked(x)).reshape(x.shape[0], -1, fan_in)
        y = jnp.einsum("npk,pkw->npw", patches, weight.reshape(-1, fan_in, self.width))
        return y.reshape(x.shape[0], *window.outputs, self.width)
