"""Multi-head self-attention."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from nnlimits.nn.affine import check_parameters, draw, scaled
from nnlimits.nn.context import mask_of
from nnlimits.nn.fields import Scalar, bias_field, choice_field, integer_field, non_negative_field
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization, Vector, Weight

ATTENTIONS = ("softmax", "identity")
SCALINGS = ("linear", "sqrt")


class SelfAttention(Layer):
    """Multi-head self-attention over all positions (Vaswani et al. 2017): (*positions, C) to (*positions, width).

    With positions flattened to T, in the NTK parameterization (Hron, Bahri, Sohl-Dickstein & Novak 2020, section 2), each head
    h has queries `Q = w_query_std / sqrt(C) x W_Q`, keys K and values V alike, and the attention
    `A = softmax(Q K^T / key_width)` over the keys (scaling="linear"), or with `sqrt(key_width)` (scaling="sqrt").
    The output is `y = w_out_std / sqrt(heads value_width) sum_h A_h V_h W_O,h + b_std b`. All entries are from N(0, 1); in the
    standard parameterization the scales of weights and biases are drawn into them.

    With scaling="linear" the logits of independent queries and keys vanish as `key_width` grows, so `key` starts as the same
    array as `query` (the same reference, section 3.1): two parameters that are trained apart.

    The parameters are `{"query": (heads, C, key_width), "key": (heads, C, key_width), "value": (heads, C, value_width),
    "out": (heads, value_width, width), "bias": (width,)}`.

    **Arguments:** `width`, the number of output channels; `heads`, `key_width`, `value_width`, at least 1; `attention`,
    `"softmax"`, or `"identity"` for `A` without the softmax; `scaling`, `"linear"` or `"sqrt"`; the scales of weights and
    biases, at least 0 (`b_std=None`: no bias).

    To parameterizations that scale weights by role (`nn.ABC`), `heads key_width` and `heads value_width` are widths: a wider
    network has more heads, or wider ones, in proportion to its channels.

    Inside `Masked` masked positions are no keys, and their outputs are zeros.
    """

    width: int = integer_field("width", 1)
    heads: int = integer_field("heads", 1, 1)
    key_width: int = integer_field("key_width", 1, 64)
    value_width: int = integer_field("value_width", 1, 64)
    attention: str = choice_field("attention", ATTENTIONS, "softmax")
    scaling: str = choice_field("scaling", SCALINGS, "linear")
    w_query_std: Scalar = non_negative_field("w_query_std", 1.0)
    w_key_std: Scalar = non_negative_field("w_key_std", 1.0)
    w_value_std: Scalar = non_negative_field("w_value_std", 1.0)
    w_out_std: Scalar = non_negative_field("w_out_std", 1.0)
    b_std: Scalar | None = bias_field()

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(input_shape) < 2:
            raise self._shape_error(f"expects positions and channels, such as (128, 64); it received {input_shape}.")
        return (*input_shape[:-1], self.width)

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Draw the weights of all heads, and the bias."""
        self.output_shape(input_shape)
        names = ("query", "key", "value", "out", "bias")
        shapes, scales = self._shapes(input_shape[-1]), self._scales(input_shape[-1])
        keys: dict[str, Any] = dict(zip(names, jax.random.split(key, len(names)), strict=True))
        if self.scaling == "linear":
            keys["key"] = keys["query"]
        return {name: draw(keys[name], shapes[name], scales[name], parameterization, dtype) for name in shapes}

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        channels = x.shape[-1]
        check_parameters(self, params, self._shapes(channels), x.shape[1:])
        scales = self._scales(channels)
        mask = mask_of(x.shape[1:-1])
        mask = None if mask is None else mask.reshape(x.shape[0], -1)
        tokens = x.reshape(x.shape[0], -1, channels)
        query, keys, value = (
            scaled(jnp.einsum("ntc,hck->nhtk", tokens, params[name]), scales[name], parameterization)
            for name in ("query", "key", "value")
        )
        attended = jnp.einsum("nhts,nhsv->nhtv", self._attention(query, keys, mask), value)
        y = scaled(jnp.einsum("nhtv,hvw->ntw", attended, params["out"]), scales["out"], parameterization)
        if self.b_std is not None:
            y = y + scaled(params["bias"], self.b_std, parameterization)
        if mask is not None:
            y = jnp.where(mask[:, :, None], 0, y)
        return y.reshape(*x.shape[:-1], self.width)

    def _attention(
        self, query: Float[Array, "n h t k"], key: Float[Array, "n h t k"], mask: Bool[Array, "n t"] | None
    ) -> Float[Array, "n h t t"]:
        scale = self.key_width if self.scaling == "linear" else math.sqrt(self.key_width)
        logits = jnp.einsum("nhtk,nhsk->nhts", query, key) / scale
        masked = None if mask is None else mask[:, None, None, :]
        if self.attention == "identity":
            return logits if masked is None else jnp.where(masked, 0, logits)
        if masked is not None:
            logits = jnp.where(masked, jnp.finfo(logits.dtype).min, logits)  # finite, so no NaN where all are masked
        return jax.nn.softmax(logits, axis=-1)

    def _shapes(self, channels: int) -> dict[str, tuple[int, ...]]:
        bias = {} if self.b_std is None else {"bias": (self.width,)}
        return {
            "query": (self.heads, channels, self.key_width),
            "key": (self.heads, channels, self.key_width),
            "value": (self.heads, channels, self.value_width),
            "out": (self.heads, self.value_width, self.width),
            **bias,
        }

    def _scales(self, channels: int) -> dict[str, Weight | Vector]:
        keys, values = self.heads * self.key_width, self.heads * self.value_width
        return {
            "query": Weight(self.w_query_std, channels, keys, target="inside"),
            "key": Weight(self.w_key_std, channels, keys, target="inside"),
            "value": Weight(self.w_value_std, channels, values, target="inside"),
            "out": Weight(self.w_out_std, values, self.width, source="inside"),
            **({} if self.b_std is None else {"bias": Vector(self.b_std, self.width)}),
        }
