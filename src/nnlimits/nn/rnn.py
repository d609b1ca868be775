"""The simple recurrent network."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from nnlimits.nn.activation import Activation
from nnlimits.nn.affine import check_parameters, draw, scaled
from nnlimits.nn.context import mask_of
from nnlimits.nn.fields import Scalar, bias_field, integer_field, non_negative_field
from nnlimits.nn.identity import Identity
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization, Vector, Weight
from nnlimits.nn.tanh import Tanh


def _as_activation(value: Any) -> Layer:
    if not isinstance(value, Activation | Identity):
        raise TypeError(f"activation must be an activation of nnlimits.nn, such as nn.Tanh(); received {value!r}")
    return value


class Rnn(Layer):
    """A simple recurrent network (Elman 1990): a sequence (T, C) to all its hidden states (T, width).

    In the NTK parameterization (Alemohammad, Wang, Balestriero & Baraniuk 2021, equations 1 and 2)
    `h_t = activation(w_std / sqrt(width) W h_(t-1) + u_std / sqrt(C) U x_t + b_std b)`, starting from `h_0 = 0`, all entries from
    N(0, 1); in the standard one the scales are drawn into them. Add `nn.Index(-1)` for the last state alone. The
    parameters are `{"recurrent": (width, width), "input": (C, width), "bias": (width,)}`.

    **Arguments:** `width`, the number of hidden units; `activation`, an activation or `nn.Identity()`; `w_std`, `u_std` and
    `b_std`, the scales of recurrent weights, input weights and biases, at least 0
    (`b_std=None`: no bias).

    Inside `Masked` the state stays as it is over masked steps.
    """

    width: int = integer_field("width", 1)
    activation: Layer = eqx.field(default=Tanh(), converter=_as_activation)
    w_std: Scalar = non_negative_field("w_std", 1.0)
    u_std: Scalar = non_negative_field("u_std", 1.0)
    b_std: Scalar | None = bias_field()

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(input_shape) != 2:
            raise self._shape_error(f"expects a sequence of vectors, such as (128, 64); it received {input_shape}.")
        return (input_shape[0], self.width)

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Draw `recurrent`, `input` and `bias`."""
        self.output_shape(input_shape)
        shapes, scales = self._shapes(input_shape[-1]), self._scales(input_shape[-1])
        keys = jax.random.split(key, len(shapes))
        return {
            name: draw(name_key, shapes[name], scales[name], parameterization, dtype)
            for name, name_key in zip(shapes, keys, strict=True)
        }

    def forward(
        self,
        params: PyTree,
        x: Float[Array, "n steps channels"],
        key: PRNGKeyArray | None,
        parameterization: Parameterization,
    ) -> Float[Array, "n steps width"]:
        n, steps, channels = x.shape
        check_parameters(self, params, self._shapes(channels), x.shape[1:])
        scales = self._scales(channels)
        inputs = scaled(jnp.matmul(x, params["input"]), scales["input"], parameterization)
        if self.b_std is not None:
            inputs = inputs + scaled(params["bias"], self.b_std, parameterization)
        mask = mask_of((steps,))

        def step(state: Array, now: tuple[Array, Bool[Array, " n"] | None]) -> tuple[Array, Array]:
            recurrent = scaled(jnp.matmul(state, params["recurrent"]), scales["recurrent"], parameterization)
            new = self.activation.forward((), recurrent + now[0], None, parameterization)
            new = new if now[1] is None else jnp.where(now[1][:, None], state, new)
            return new, new

        start = jnp.zeros((n, self.width), x.dtype)
        states = lax.scan(step, start, (jnp.moveaxis(inputs, 1, 0), None if mask is None else mask.T))[1]
        return jnp.moveaxis(states, 0, 1)

    def _shapes(self, channels: int) -> dict[str, tuple[int, ...]]:
        bias = {} if self.b_std is None else {"bias": (self.width,)}
        return {"recurrent": (self.width, self.width), "input": (channels, self.width), **bias}

    def _scales(self, channels: int) -> dict[str, Weight | Vector]:
        return {
            "recurrent": Weight(self.w_std, self.width, self.width, source="output"),
            "input": Weight(self.u_std, channels, self.width),
            **({} if self.b_std is None else {"bias": Vector(self.b_std, self.width)}),
        }
