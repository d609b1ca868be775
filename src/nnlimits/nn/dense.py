"""The fully connected layer."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.nn.affine import Affine
from nnlimits.nn.fields import Scalar, bias_field, integer_field, non_negative_field


class Dense(Affine):
    """An affine map to `width` features.

    With fan-in n, in the NTK parameterization, `y = w_std / sqrt(n) W x + b_std b`, all entries of W and b from
    N(0, 1); in the standard one `y = W x + b`, W from N(0, w_std^2 / n) and b from N(0, b_std^2). The parameters are
    `{"weight": (n, width), "bias": (width,)}`. For one map of the channels at every position, see `Linear`.

    **Arguments:** `width`, the number of output features; `w_std` and `b_std`, the scales of weights and biases, at
    least 0 (`b_std=None`: no bias).
    """

    width: int = integer_field("width", 1)
    w_std: Scalar = non_negative_field("w_std", 1.0)
    b_std: Scalar | None = bias_field()

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(input_shape) != 1:
            raise self._shape_error(f"expects a flat input; it received {input_shape}. Add nn.Flatten().")
        return (self.width,)

    def weight_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*input_shape, self.width)

    def bias_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.width,)

    def fan_in(self, input_shape: tuple[int, ...]) -> int:
        return input_shape[0]

    def linear(self, weight: Float[Array, "fan_in width"], x: Float[Array, "n fan_in"]) -> Float[Array, "n width"]:
        return jnp.matmul(x, weight)
