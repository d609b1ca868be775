"""The transposed convolution."""

import math

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from nnlimits.nn.affine import Affine
from nnlimits.nn.context import keeps_mask, without_masked
from nnlimits.nn.conv import channels_last
from nnlimits.nn.fields import (
    PADDINGS,
    Scalar,
    bias_field,
    choice_field,
    integer_field,
    non_negative_field,
    sizes_field,
)
from nnlimits.nn.window import per_axis


class ConvTranspose(Affine):
    """A transposed convolution over any number of position axes: (*positions, C) to (*new positions, width).

    Each input i adds to the outputs `p = stride i + o - low`, o in the kernel:
    `y[p] = w_std / sqrt(prod(kernel_size) C) sum_(o, i) W[o] x[i] + b_std b`. From n positions of one axis, with kernel size f,

    - `"valid"` makes `(n - 1) stride + f`, with low = 0;
    - `"same"` makes `n stride`, with `low = max(0, (f - stride) // 2)`, what falls outside dropped. It is
      `jax.lax.conv_transpose(x, W[::-1], stride, "SAME")`;
    - `"circular"` makes `n stride`, with `low = (f - 1) // 2`, positions modulo `n stride`; f must be odd.

    The scale does not count that with a stride only some of the kernel reach one output. The parameters are
    `{"weight": (*kernel_size, C, width), "bias": (width,)}`.

    **Arguments:** `width`, the number of output channels; `kernel_size` and `stride`, an integer for all position axes or a
    tuple of one an axis; `padding`, as above; `w_std` and `b_std`, the scales of weights and biases, at least 0
    (`b_std=None`: no bias).

    Inside `Masked` it reads zeros at masked positions.
    """

    width: int = integer_field("width", 1)
    kernel_size: int | tuple[int, ...] = sizes_field("kernel_size")
    stride: int | tuple[int, ...] = sizes_field("stride", 1)
    padding: str = choice_field("padding", PADDINGS, "same")
    w_std: Scalar = non_negative_field("w_std", 1.0)
    b_std: Scalar | None = bias_field()

    def geometry(self, input_shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        """Kernel, stride, outputs and `low` of each position axis, for an example of `input_shape`."""
        kernel = per_axis(self, "kernel_size", self.kernel_size, input_shape)
        stride = per_axis(self, "stride", self.stride, input_shape)
        axes = list(zip(input_shape[:-1], kernel, stride, strict=True))
        if self.padding == "valid":
            return kernel, stride, tuple((n - 1) * s + f for n, f, s in axes), (0,) * len(axes)
        outputs = tuple(n * s for n, _, s in axes)
        if self.padding == "same":
            return kernel, stride, outputs, tuple(max(0, (f - s) // 2) for _, f, s in axes)
        if any(f % 2 == 0 for f in kernel):
            raise self._shape_error(f"with circular padding needs a kernel of odd size; it has {kernel}.")
        return kernel, stride, outputs, tuple((f - 1) // 2 for f in kernel)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return keeps_mask(self, input_shape, (*self.geometry(input_shape)[2], self.width))

    def weight_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*self.geometry(input_shape)[0], input_shape[-1], self.width)

    def bias_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.width,)

    def fan_in(self, input_shape: tuple[int, ...]) -> int:
        return math.prod(self.geometry(input_shape)[0]) * input_shape[-1]

    def linear(self, weight: Float[Array, "..."], x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        kernel, stride, outputs, low = self.geometry(x.shape[1:])
        x = without_masked(x)
        if self.padding != "circular":
            return _transposed(weight, x, kernel, stride, outputs, low)
        whole = tuple((n - 1) * s + f for n, s, f in zip(x.shape[1:-1], stride, kernel, strict=True))
        y = _transposed(weight, x, kernel, stride, whole, (0,) * len(whole))
        for axis, (size, shift) in enumerate(zip(outputs, low, strict=True), start=1):
            y = jnp.roll(_wrapped(y, axis, size), -shift, axis)
        return y


def _transposed(
    weight: Float[Array, "..."],
    x: Float[Array, "n ..."],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    outputs: tuple[int, ...],
    low: tuple[int, ...],
) -> Float[Array, "n ..."]:
    """As a convolution of the inputs, spread out by the stride, with the reversed kernel."""
    before = [f - 1 - lo for f, lo in zip(kernel, low, strict=True)]
    after = [size - 1 - (n - 1) * s + lo for size, n, s, lo in zip(outputs, x.shape[1:-1], stride, low, strict=True)]
    return lax.conv_general_dilated(
        x,
        jnp.flip(weight, range(len(kernel))),
        window_strides=(1,) * len(kernel),
        padding=list(zip(before, after, strict=True)),
        lhs_dilation=stride,
        dimension_numbers=channels_last(len(kernel)),
    )


def _wrapped(y: Float[Array, "n ..."], axis: int, size: int) -> Float[Array, "n ..."]:
    """Add up the entries of `axis` that agree modulo `size`."""
    turns = -(-y.shape[axis] // size)
    y = jnp.pad(y, [(0, turns * size - y.shape[axis] if i == axis else 0) for i in range(y.ndim)])
    return y.reshape(*y.shape[:axis], turns, size, *y.shape[axis + 1 :]).sum(axis)
