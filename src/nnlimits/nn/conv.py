"""The convolution."""

import itertools
import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from nnlimits.nn.affine import Affine
from nnlimits.nn.context import keeps_mask, surroundings, without_masked
from nnlimits.nn.fields import Scalar, bias_field, integer_field, non_negative_field, padding_field, sizes_field
from nnlimits.nn.window import Padding, Windows, windows


class Conv(Affine):
    """A convolution over any number of position axes: (*positions, C) to (*new positions, width).

    In the NTK parameterization `y[p] = w_std / sqrt(prod(kernel_size) C) sum_k W[k] x[stride p + dilation k - low] + b_std b`,
    all entries of W and b from N(0, 1) (Novak et al. 2019, equation 1); in the standard one the scales are drawn into W and b.
    The parameters are `{"weight": (*kernel_size, C, width), "bias": (width,)}`.

    **Arguments:** `width`, the number of output channels; `kernel_size`, `stride` and `dilation`, an integer for all position
    axes or a tuple of one an axis; `padding`: `"same"` (zeros; ceil(size / stride) positions remain), `"valid"` (none),
    `"circular"` (the axes are rings; the dilated kernel must be odd and the stride divide the size), or how many zeros to lay on
    either side, an integer for all axes or a tuple of one an axis; `w_std` and `b_std`, the scales of weights and biases, at
    least 0 (`b_std=None`: no bias).

    Inside `Masked` it reads zeros at masked positions.
    """

    width: int = integer_field("width", 1)
    kernel_size: int | tuple[int, ...] = sizes_field("kernel_size")
    stride: int | tuple[int, ...] = sizes_field("stride", 1)
    padding: Padding = padding_field("same")
    dilation: int | tuple[int, ...] = sizes_field("dilation", 1)
    w_std: Scalar = non_negative_field("w_std", 1.0)
    b_std: Scalar | None = bias_field()

    def windows(self, input_shape: tuple[int, ...]) -> Windows:
        """The geometry of the convolution on an example of `input_shape`."""
        return windows(self, input_shape, self.kernel_size, self.stride, self.dilation, self.padding)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return keeps_mask(self, input_shape, (*self.windows(input_shape).outputs, self.width))

    def weight_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*self.windows(input_shape).kernel, input_shape[-1], self.width)

    def bias_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.width,)

    def fan_in(self, input_shape: tuple[int, ...]) -> int:
        return math.prod(self.windows(input_shape).kernel) * input_shape[-1]

    def linear(self, weight: Float[Array, "..."], x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        window = self.windows(x.shape[1:])
        if surroundings().looped and jax.default_backend() == "cpu":
            return jax.checkpoint(partial(by_taps, window))(without_masked(x), weight)
        return lax.conv_general_dilated(
            window.wrap(without_masked(x)),
            weight,
            window_strides=window.stride,
            padding=window.margins,
            rhs_dilation=window.dilation,
            dimension_numbers=channels_last(x.ndim - 2),
        )


def by_taps(
    window: Windows, x: Float[Array, "n *positions channels"], weight: Float[Array, "*kernel channels width"]
) -> Float[Array, "n *outputs width"]:
    """The convolution as a product of two matrices: what all taps of the window see, and the weights.

    On a CPU, XLA has no fast program for the derivatives of a convolution within a loop: ten convolutions of 32 channels in a
    `scan` take 20 times as long to differentiate as those written out, and as products of matrices about twice as long.
    """
    padded = jnp.pad(window.wrap(x), [(0, 0), *window.margins, (0, 0)])
    taps = [_seen_through(window, padded, tap) for tap in itertools.product(*map(range, window.kernel))]
    columns = jnp.concatenate(taps, axis=-1)
    flat = weight.reshape(-1, weight.shape[-1])
    return (columns.reshape(-1, len(flat)) @ flat).reshape(*columns.shape[:-1], -1)


def _seen_through(window: Windows, padded: Array, tap: tuple[int, ...]) -> Array:
    starts = [k * step for k, step in zip(tap, window.dilation, strict=True)]
    stops = [
        start + stride * (count - 1) + 1
        for start, stride, count in zip(starts, window.stride, window.outputs, strict=True)
    ]
    n, channels = padded.shape[0], padded.shape[-1]
    return lax.slice(padded, (0, *starts, 0), (n, *stops, channels), (1, *window.stride, 1))


def channels_last(axes: int) -> lax.ConvDimensionNumbers:
    """Inputs and outputs (n, *positions, C) and weights (*kernel, C, width), with this number of position axes."""
    images = (0, axes + 1, *range(1, axes + 1))
    return lax.ConvDimensionNumbers(images, (axes + 1, axes, *range(axes)), images)
