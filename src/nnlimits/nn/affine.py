"""What all layers with weights have in common: how the weights are drawn, and where their scales are."""

import abc
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.fields import Scalar
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization, Vector, Weight, times

Parameter = Float[Array | np.ndarray, "..."]
"""An array of parameters: of JAX, or of NumPy, as it comes from a file."""

Scale = Weight | Vector | Scalar
"""The scale of a parameter: by the channels that it connects, or a number that no width changes."""


def draw(
    key: PRNGKeyArray, shape: tuple[int, ...], scale: Scale, parameterization: Parameterization, dtype: Any
) -> Float[Array, "..."]:
    """The first value of a parameter: normal entries, times what the parameterization draws of the scale."""
    return parameterization.drawn(key, shape, parameterization.scales(scale), dtype)


def scaled(values: Parameter, scale: Scale, parameterization: Parameterization) -> Float[Array, "..."]:
    """`values`, which are linear in a parameter, times what the parameterization multiplies of the scale."""
    return times(parameterization.scales(scale).multiplier, jnp.asarray(values))


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
    standard one the scales are drawn into the entries, and others scale them by the role of the layer (`nn.ABC`). A new
    one defines the shapes, the fan-in, and the linear map.
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

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Draw `weight` and, if there is one, `bias`."""
        self.output_shape(input_shape)
        weight_key, bias_key = jax.random.split(key)
        scales = self._scales(input_shape)
        params = {"weight": draw(weight_key, self.weight_shape(input_shape), scales["weight"], parameterization, dtype)}
        if self.b_std is not None:
            params["bias"] = draw(bias_key, self.bias_shape(input_shape), scales["bias"], parameterization, dtype)
        return params

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        shape = x.shape[1:]
        expected = {"weight": self.weight_shape(shape)}
        if self.b_std is not None:
            expected["bias"] = self.bias_shape(shape)
        check_parameters(self, params, expected, shape)
        scales = self._scales(shape)
        linear = scaled(self.linear(jnp.asarray(params["weight"]), x), scales["weight"], parameterization)
        return linear if self.b_std is None else linear + scaled(params["bias"], scales["bias"], parameterization)

    def _scales(self, input_shape: tuple[int, ...]) -> dict[str, Weight | Vector]:
        width = self.bias_shape(input_shape)[-1]
        bias = {} if self.b_std is None else {"bias": Vector(self.b_std, width)}
        return {"weight": Weight(self.w_std, self.fan_in(input_shape), width), **bias}
