"""The fully connected layer."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.fields import Scalar, integer_field, non_negative_field
from nnlimits.nn.layer import Layer


class Dense(Layer):
    """An affine map to `width` features.

    With fan-in n, in the NTK parameterization, `y = w_std / sqrt(n) W x + b_std b`, all entries of W and b from
    N(0, 1); in the standard one `y = W x + b`, W from N(0, w_std^2 / n) and b from N(0, b_std^2). The parameters are
    `{"weight": (n, width), "bias": (width,)}`.

    **Arguments:** `width`, the number of output features; `w_std` and `b_std`, the scales of weights and biases, at
    least 0.
    """

    width: int = integer_field("width", 1)
    w_std: Scalar = non_negative_field("w_std", 1.0)
    b_std: Scalar = non_negative_field("b_std", 0.0)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(input_shape) != 1:
            raise self._shape_error(f"expects a flat input; it received {input_shape}. Add nn.Flatten().")
        return (self.width,)

    def initialize(self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: str, dtype: Any) -> PyTree:
        """Draw `weight` and `bias`."""
        self.output_shape(input_shape)
        weight_key, bias_key = jax.random.split(key)
        weight = jax.random.normal(weight_key, (*input_shape, self.width), dtype)
        bias = jax.random.normal(bias_key, (self.width,), dtype)
        if parameterization == "standard":
            weight = self.w_std / math.sqrt(input_shape[0]) * weight
            bias = self.b_std * bias
        return {"weight": weight, "bias": bias}

    def forward(
        self, params: PyTree, x: Float[Array, "n fan_in"], key: PRNGKeyArray | None, parameterization: str
    ) -> Float[Array, "n width"]:
        if not isinstance(params, dict) or params.keys() != {"weight", "bias"}:
            raise self._shape_error(f"expects parameters weight and bias; it received {jax.tree.structure(params)}.")
        fan_in = params["weight"].shape[0]
        if x.shape[1] != fan_in:
            raise self._shape_error(f"has parameters for inputs ({fan_in},); it received {x.shape[1:]}.")
        linear = jnp.matmul(x, params["weight"])
        if parameterization == "standard":
            return linear + params["bias"]
        return self.w_std / math.sqrt(fan_in) * linear + self.b_std * params["bias"]
