"""Uses of a parameter in one bilinear operation, in a common form.

Of one example, the inputs `h` become an array (B, M, K) and the cotangents `delta` of the operation's result (B, M, F):
the derivative with respect to the parameter is then `sum_m delta[b, m, f] h[b, m, k]`. A dense layer has B = M = 1; M
counts what shares the parameter (positions of a convolution, tokens), B what is multiplied apart (groups, gains).
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LARGEST_WINDOW = 256
"""Positions of a convolution's window beyond which its inputs are not laid out once for each of them."""


class Sizes(NamedTuple):
    """The axes of the common form."""

    B: int
    M: int
    K: int
    F: int


class Bilinear(NamedTuple):
    """An operation in the common form."""

    sizes: Sizes
    inputs: Callable[[Any], Float[Array, "B M K"]]
    cotangents: Callable[[Any], Float[Array, "B M F"]]


def product(params: dict[str, Any], position: int, shapes: list[tuple[int, ...]]) -> Bilinear:
    """`dot_general`, with the parameter as the operand at `position`."""
    contracted, batched = params["dimension_numbers"]
    other = shapes[1 - position]
    summed, apart = contracted[1 - position], batched[1 - position]
    shared = tuple(axis for axis in range(len(other)) if axis not in (*summed, *apart))
    sizes = Sizes(_size(other, apart), _size(other, shared), _size(other, summed), 0)
    sizes = sizes._replace(F=math.prod(shapes[position]) // (sizes.B * sizes.K))

    def inputs(h: Any) -> Float[Array, "B M K"]:
        return jnp.transpose(h, (*apart, *shared, *summed)).reshape(sizes.B, sizes.M, sizes.K)

    def cotangents(delta: Any) -> Float[Array, "B M F"]:
        if position == 1:
            return delta.reshape(sizes.B, sizes.M, sizes.F)
        return delta.reshape(sizes.B, sizes.F, sizes.M).swapaxes(1, 2)

    return Bilinear(sizes, inputs, cotangents)


def convolution(params: dict[str, Any], shapes: list[tuple[int, ...]], result: tuple[int, ...]) -> Bilinear | None:
    """`conv_general_dilated` with the parameter as its kernel; `None` for what has no common form here."""
    image, kernel, output = params["dimension_numbers"]
    window = tuple(shapes[1][axis] for axis in kernel[2:])
    if params["batch_group_count"] != 1 or math.prod(window) > LARGEST_WINDOW:
        return None
    groups = params["feature_group_count"]
    positions = math.prod(result) // result[output[1]]
    fan_in = shapes[1][kernel[1]] * math.prod(window)
    sizes = Sizes(groups, positions, fan_in, shapes[1][kernel[0]] // groups)

    def inputs(h: Any) -> Float[Array, "B M K"]:
        windows = _windows(jnp.transpose(h, (image[0], *image[2:], image[1])), window, params)
        windows = windows.reshape(positions, math.prod(window), groups, -1)
        return jnp.transpose(windows, (2, 0, 1, 3)).reshape(sizes.B, sizes.M, sizes.K)

    def cotangents(delta: Any) -> Float[Array, "B M F"]:
        delta = jnp.transpose(delta, (output[0], *output[2:], output[1])).reshape(positions, groups, sizes.F)
        return delta.swapaxes(0, 1)

    return Bilinear(sizes, inputs, cotangents)


def bias(shape: tuple[int, ...], repeated: frozenset[int]) -> Bilinear:
    """A parameter that is added, the same along the axes `repeated`."""
    kept = tuple(axis for axis in range(len(shape)) if axis not in repeated)
    sizes = Sizes(1, _size(shape, repeated), 1, _size(shape, kept))

    def cotangents(delta: Any) -> Float[Array, "B M F"]:
        return jnp.transpose(delta, (*sorted(repeated), *kept)).reshape(1, sizes.M, sizes.F)

    return Bilinear(sizes, lambda dtype: jnp.ones((1, sizes.M, 1), dtype), cotangents)


def gain(shape: tuple[int, ...], repeated: frozenset[int]) -> Bilinear:
    """A parameter that multiplies elementwise, the same along the axes `repeated`."""
    kept = tuple(axis for axis in range(len(shape)) if axis not in repeated)
    sizes = Sizes(_size(shape, kept), _size(shape, repeated), 1, 1)

    def common(array: Any) -> Float[Array, "B M 1"]:
        return jnp.transpose(jnp.broadcast_to(array, shape), (*kept, *sorted(repeated))).reshape(sizes.B, sizes.M, 1)

    return Bilinear(sizes, common, common)


def _size(shape: tuple[int, ...], axes: Any) -> int:
    return math.prod(shape[axis] for axis in axes)


def _windows(
    image: Float[Array, "n *space c"], window: tuple[int, ...], params: dict[str, Any]
) -> Float[Array, "n *positions offsets c"]:
    """What the kernel sees at each position: with channels last, one copy for each offset within its window."""
    padding = [(*edges, step - 1) for edges, step in zip(params["padding"], params["lhs_dilation"], strict=True)]
    padded = jax.lax.pad(image, jnp.zeros((), image.dtype), [(0, 0, 0), *padding, (0, 0, 0)])
    strides, dilation = params["window_strides"], params["rhs_dilation"]
    reach = [(size - 1) * step + 1 for size, step in zip(window, dilation, strict=True)]
    space = padded.shape[1:-1]
    counts = [(size - extent) // stride + 1 for size, extent, stride in zip(space, reach, strides, strict=True)]
    views = []
    for offset in _offsets(window):
        start = [o * step for o, step in zip(offset, dilation, strict=True)]
        stop = [s + (count - 1) * stride + 1 for s, count, stride in zip(start, counts, strides, strict=True)]
        ends = (0, *start, 0), (padded.shape[0], *stop, padded.shape[-1])
        views.append(jax.lax.slice(padded, *ends, (1, *strides, 1)))
    return jnp.stack(views, axis=-2)


def _offsets(window: tuple[int, ...]) -> list[tuple[int, ...]]:
    offsets: list[tuple[int, ...]] = [()]
    for size in window:
        offsets = [(*offset, position) for offset in offsets for position in range(size)]
    return offsets
