"""Sums and averages over windows of positions."""

import math

import equinox as eqx
import numpy as np
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.context import keeps_mask, without_masked
from nnlimits.nn.fields import as_sizes, padding_field, sizes_field
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization
from nnlimits.nn.window import Padding, Windows, windows


def _as_stride(value: object) -> int | tuple[int, ...] | None:
    return None if value is None else as_sizes("stride", value)


class _Pool(Layer):
    """What `AvgPool` and `SumPool` have in common."""

    window: int | tuple[int, ...] = sizes_field("window")
    stride: int | tuple[int, ...] | None = eqx.field(default=None, static=True, converter=_as_stride)
    padding: Padding = padding_field("valid")

    def windows(self, input_shape: tuple[int, ...]) -> Windows:
        """The geometry of the layer on an example of `input_shape`."""
        stride = self.window if self.stride is None else self.stride
        return windows(self, input_shape, self.window, stride, 1, self.padding)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return keeps_mask(self, input_shape, (*self.windows(input_shape).outputs, input_shape[-1]))

    def _sum(self, x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        window = self.windows(x.shape[1:])
        zero = np.zeros((), x.dtype)  # a number known before tracing: XLA then knows that this is a sum
        shape, strides = (1, *window.kernel, 1), (1, *window.stride, 1)
        padded = [(0, 0), *window.margins, (0, 0)]
        return lax.reduce_window(window.wrap(without_masked(x)), zero, lax.add, shape, strides, padded)


class SumPool(_Pool):
    """The sum of each channel over windows of positions.

    **Arguments:** `window` and `stride`, an integer for all position axes or a tuple of one an axis; `stride` is that of the
    window if absent; `padding`, as that of `Conv`.

    Inside `Masked` masked positions count as zeros.
    """

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        return self._sum(x)


class AvgPool(_Pool):
    """The average of each channel over windows of positions: the sum, divided by the size of the whole window.

    The zeros of a padding count in the average, and so do masked positions (as zeros) inside `Masked`.

    **Arguments:** `window` and `stride`, an integer for all position axes or a tuple of one an axis; `stride` is that of the
    window if absent; `padding`, as that of `Conv`.
    """

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        return self._sum(x) / math.prod(self.windows(x.shape[1:]).kernel)
