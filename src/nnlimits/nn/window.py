"""Windows that slide over the positions of an input: where they lie, and what is read beyond the border.

Output p of one axis reads the inputs `stride p + dilation k - low`, for k in the kernel. Beyond the border there are zeros, or
the other end of the axis where the padding is circular. This is the geometry of `Conv`, `LocallyConnected`, `AvgPool` and
`SumPool`.
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.nn.errors import ShapeError

Padding = str | int | tuple[int, ...]
Sizes = int | tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Windows:
    """The windows of one layer over inputs of one shape: a number for each position axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    outputs: tuple[int, ...]
    low: tuple[int, ...]
    """How many entries are read before the first one."""
    high: tuple[int, ...]
    """How many entries are read after the last one."""
    circular: bool

    @property
    def margins(self) -> list[tuple[int, int]]:
        """The padding of each axis that is left to do after `wrap`."""
        return [(0, 0) if self.circular else pair for pair in zip(self.low, self.high, strict=True)]

    def wrap(self, x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        """`x` with the other end of each axis laid beyond its border if the padding is circular, else as it is."""
        if not self.circular:
            return x
        return jnp.pad(x, [(0, 0), *zip(self.low, self.high, strict=True), (0, 0)], mode="wrap")

    def patches(self, x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        """What each window sees of `x` (n, *positions, C): an array (n, *outputs, *kernel, C)."""
        x = jnp.pad(self.wrap(x), [(0, 0), *self.margins, (0, 0)])
        axes = len(self.kernel)
        for i, (stride, dilation) in enumerate(zip(self.stride, self.dilation, strict=True)):
            starts, steps = stride * jnp.arange(self.outputs[i]), dilation * jnp.arange(self.kernel[i])
            x = jnp.moveaxis(jnp.take(x, starts[:, None] + steps, axis=1 + i), 2 + i, 1 + axes + i)
        return x


def windows(
    layer: object, input_shape: tuple[int, ...], kernel: Sizes, stride: Sizes, dilation: Sizes, padding: Padding
) -> Windows:
    """The windows of `layer` over inputs of `input_shape` (*positions, C).

    With "same" an axis of n positions gives ceil(n / stride) outputs, and the padding is split evenly, the odd one after the
    last entry (the convention of XLA); with "valid" no window leaves the input; with "circular" the window is centred and
    there are n / stride outputs. With an integer m there are m zeros on both sides and (n + 2 m - extent) // stride + 1 outputs
    (the convention of PyTorch).

    **Raises:** `ShapeError` where the windows do not fit.
    """
    positions = input_shape[:-1]
    kernel, stride, dilation = (
        per_axis(layer, name, sizes, input_shape)
        for name, sizes in [("window", kernel), ("stride", stride), ("dilation", dilation)]
    )
    extent = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    if padding == "valid":
        padding = 0
    if isinstance(padding, int | tuple):
        low = high = per_axis(layer, "padding", padding, input_shape)
        padded = tuple(n + 2 * m for n, m in zip(positions, low, strict=True))
        _check_fit(layer, padded, extent, stride, "valid")
        outputs = tuple((n - f) // s + 1 for n, f, s in zip(padded, extent, stride, strict=True))
        return Windows(kernel, stride, dilation, outputs, low, high, False)
    _check_fit(layer, positions, extent, stride, padding)
    if padding == "circular":
        low = high = tuple((f - 1) // 2 for f in extent)
        outputs = tuple(n // s for n, s in zip(positions, stride, strict=True))
    else:
        outputs = tuple(-(-n // s) for n, s in zip(positions, stride, strict=True))
        read = [(o - 1) * s + f for o, s, f in zip(outputs, stride, extent, strict=True)]
        missing = [max(r - n, 0) for r, n in zip(read, positions, strict=True)]
        low = tuple(m // 2 for m in missing)
        high = tuple(m - m // 2 for m in missing)
    return Windows(kernel, stride, dilation, outputs, low, high, padding == "circular")


def per_axis(layer: object, name: str, sizes: Sizes, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """`sizes` for each position axis of an input of `input_shape` (*positions, C).

    **Raises:** `ShapeError` if there is no position axis, or not one for each of the given sizes.
    """
    axes = len(input_shape) - 1
    if axes < 1:
        raise _error(
            layer,
            f"expects positions and channels, such as (32, 32, 3); it received {input_shape}. Add a channel axis.",
        )
    if isinstance(sizes, int):
        return (sizes,) * axes
    if len(sizes) != axes:
        raise _error(
            layer,
            f"has a {name} of {len(sizes)} axes, {sizes}; its input {input_shape} has {axes} position axes before the channels.",
        )
    return sizes


def _check_fit(
    layer: object, positions: tuple[int, ...], extent: tuple[int, ...], stride: tuple[int, ...], padding: str
) -> None:
    if any(s > n for s, n in zip(stride, positions, strict=True)):
        raise _error(
            layer, f"has stride {stride}, larger than its input's positions {positions}. Take a smaller stride."
        )
    too_large = any(f > n for f, n in zip(extent, positions, strict=True))
    if padding == "valid" and too_large:
        raise _error(
            layer,
            f"has a window of extent {extent}, larger than its input's positions {positions}. Use padding='same'.",
        )
    if padding != "circular":
        return
    if too_large or any(f % 2 == 0 for f in extent):
        raise _error(
            layer,
            "with circular padding needs a window of odd extent (kernel and dilation together) no larger than its input; "
            f"the extent is {extent}, the positions are {positions}.",
        )
    if any(n % s for n, s in zip(positions, stride, strict=True)):
        raise _error(
            layer,
            f"with circular padding needs a stride that divides its input's positions; the stride is {stride}, the positions "
            f"are {positions}.",
        )


def _error(layer: object, problem: str) -> ShapeError:
    return ShapeError(type(layer).__name__, problem)
