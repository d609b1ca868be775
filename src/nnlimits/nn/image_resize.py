"""Resizing the grid of positions."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64, PRNGKeyArray, PyTree

from nnlimits.nn.context import keeps_mask
from nnlimits.nn.fields import as_sizes, choice_field
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization

METHODS = ("linear", "nearest")


def _as_shape(value: Any) -> tuple[int, ...]:
    sizes = as_sizes("shape", value)
    if isinstance(sizes, int):
        raise TypeError(f"shape must be a tuple of one size a position axis, such as (16, 16); received {value!r}")
    return sizes


class ImageResize(Layer):
    """Resizes the position axes to `shape` by interpolation: (*positions, C) to (*shape, C).

    The values are those of `jax.image.resize` without antialiasing: entry p of n new ones lies at `(p + 1/2) m / n - 1/2` of the
    m old ones. It is linear in the input, by one matrix an axis.

    **Arguments:** `shape`, the new sizes, one for each position axis; `method`, `"linear"` (between the two nearest entries,
    the outermost ones beyond the border) or `"nearest"`.
    """

    shape: tuple[int, ...] = eqx.field(static=True, converter=_as_shape)
    method: str = choice_field("method", METHODS, "linear")

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(input_shape) != len(self.shape) + 1:
            raise self._shape_error(
                f"resizes {len(self.shape)} position axes to {self.shape}; its input {input_shape} has {len(input_shape) - 1} "
                "before the channels."
            )
        return keeps_mask(self, input_shape, (*self.shape, input_shape[-1]))

    def matrices(self, input_positions: tuple[int, ...]) -> tuple[Float64[np.ndarray, "new old"], ...]:
        """The matrix of each position axis, for inputs with these positions."""
        interpolation = _linear if self.method == "linear" else _nearest
        return tuple(interpolation(new, old) for new, old in zip(self.shape, input_positions, strict=True))

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        for axis, matrix in enumerate(self.matrices(x.shape[1:-1]), start=1):
            x = jnp.moveaxis(jnp.tensordot(jnp.asarray(matrix, x.dtype), x, (1, axis)), 0, axis)
        return x


def _linear(new: int, old: int) -> Float64[np.ndarray, "new old"]:
    place = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    return np.maximum(0.0, 1 - np.abs(place[:, None] - np.arange(old)))


def _nearest(new: int, old: int) -> Float64[np.ndarray, "new old"]:
    nearest = (2 * np.arange(new) + 1) * old // (2 * new)  # exact, in integers
    return np.eye(old)[nearest]
