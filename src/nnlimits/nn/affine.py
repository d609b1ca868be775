"""What all layers with weights have in common: how the weights are drawn, and where their scales are."""

import abc
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.fields import Scalar
from nnlimits.nn.layer import Layer

Parameter = Float[Array | np.ndarray, "..."]
"""An array of parameters: of JAX, or of NumPy, as it comes from a file."""


def draw(
    key: PRNGKeyArray, shape: tuple[int, ...], scale: Scalar, parameterization: str, dtype: Any
) -> Float[Array, "..."]:
    """Entries from N(0, 1), or from N(0, scale^2) in the standard parameterization."""
    values = jax.random.normal(key, shape, dtype)
    return scale * values if parameterization == "standard" else values


def scaled(values: Parameter, scale: Scalar, parameterization: str) -> Float[Array, "..."]:
    """`scale * values`, or `values` in the standard parameterization, where the parameters carry the scale."""
    values = jnp.asarray(values)
    return values if parameterization == "standard" else scale * values


def check_parameters(
    layer: Layer, params: PyTree, shapes: dict[str, tuple[int, ...]], input_shape: tuple[int, ...]
) -> None:
    """Raise `ShapeError` unless `params` holds one array of each of `shapes`, those of inputs of `input_shape`."""
    if not isinstance(params, dict) or params.keys() != shapes.keys():
        names = " and ".join(filter(None, [", ".join([*shapes][:-1]), [*shapes][-1]]))
        raise layer._shape_error(f"expects parameters {names}; it received {jax.tree.structure(params)}.")
    for name, shape in shapes.items():
        if params[name].shape != shape:
            raise layer._shape_error(
                f"has parameters for other inputs than {input_shape}: its {name} has shape {params[name].shape}, where these "
                f"inputs need {shape}."
            )


class _Scaled:
    """The fields of an affine layer, declared where they do not fix the order of its arguments."""

    w_std: Scalar
    b_std: Scalar | None


class Affine(Layer, _Scaled):
    """A linear map with one weight and one bias, or, if `b_std` is `None`, without a bias.

    `y = w_std / sqrt(fan_in) weight x + b_std bias` with all entries from N(0, 1) in the NTK parameterization; in the
    standard one the scales are drawn into the entries. A new one defines the shapes, the fan-in, and the linear map.
    """

    @abc.abstractmethod
    def weight_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the weight for an example of `input_shape`."""

    @abc.abstractmethod
    def bias_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the bias for an example of `input_shape`."""

    @abc.abstractmethod
    def fan_in(self, input_shape: tuple[int, ...]) -> int:
        """How many products one output sums."""

    @abc.abstractmethod
    def linear(self, weight: Float[Array, "..."], x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        """The linear map, without scale and bias."""

    def initialize(self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: str, dtype: Any) -> PyTree:
        """Draw `weight` and, if there is one, `bias`."""
        self.output_shape(input_shape)
        weight_key, bias_key = jax.random.split(key)
        w_scale = self.w_std / math.sqrt(self.fan_in(input_shape))
        weight = draw(weight_key, self.weight_shape(input_shape), w_scale, parameterization, dtype)
        if self.b_std is None:
            return {"weight": weight}
        return {
            "weight": weight,
            "bias": draw(bias_key, self.bias_shape(input_shape), self.b_std, parameterization, dtype),
        }

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: str
    ) -> Float[Array, "n ..."]:
        shape = x.shape[1:]
        expected = {"weight": self.weight_shape(shape)}
        if self.b_std is not None:
            expected["bias"] = self.bias_shape(shape)
        check_parameters(self, params, expected, shape)
        linear = self.linear(jnp.asarray(params["weight"]), x)
        linear = scaled(linear, self.w_std / math.sqrt(self.fan_in(shape)), parameterization)
        return linear if self.b_std is None else linear + scaled(params["bias"], self.b_std, parameterization)
