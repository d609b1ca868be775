"""Layers one after another."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.abc_parameterization import ABC, as_abc, as_parameterization
from nnlimits.nn.errors import located
from nnlimits.nn.layer import Layer
from nnlimits.nn.members import as_member
from nnlimits.nn.parameterization import DEFAULT_PARAMETERIZATION, Parameterization
from nnlimits.nn.word import spell


class Sequential(Layer):
    """The composition of `layers`, the first applied first; without layers, the identity.

    Errors name a layer's position, counted from 0 as in `layers[0]`.

    **Arguments:** the layers; `parameterization`, `"ntk"`, `"standard"`, `"mup"`, `"mean_field"` or an `nn.ABC`, of the whole
    network. Only the outermost combinator of a network may set it, and only if it is a `Sequential`.
    """

    layers: tuple[Layer, ...]
    parameterization: str | ABC = eqx.field(static=True)

    def __init__(self, *layers: Any, parameterization: Any = DEFAULT_PARAMETERIZATION) -> None:
        self.layers = tuple(as_member(f"Sequential's layer {i}", layer) for i, layer in enumerate(layers))
        self.parameterization = as_parameterization(parameterization)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        shape = input_shape
        for i, layer in enumerate(self.layers):
            with _at(i, layer):
                shape = layer.output_shape(shape)
        return shape

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Draw the parameters of each layer: a tuple, one entry a layer."""
        params, shape = [], input_shape
        keys = jax.random.split(key, len(self.layers))
        for i, ((layer, own), layer_key) in enumerate(zip(self.placed(parameterization), keys, strict=True)):
            with _at(i, layer):
                params.append(layer.initialize(layer_key, shape, own, dtype))
                shape = layer.output_shape(shape)
        return tuple(params)

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        if len(params) != len(self.layers):
            raise ValueError(
                f"Sequential has {len(self.layers)} layers, and params holds {len(params)}; use its own init"
            )
        keys = [None] * len(self.layers) if key is None else jax.random.split(key, len(self.layers))
        placed = self.placed(parameterization)
        for i, ((layer, own), layer_params, layer_key) in enumerate(zip(placed, params, keys, strict=True)):
            with _at(i, layer):
                x = layer.forward(layer_params, x, layer_key, own)
        return x

    def network_parameterization(self, optimizer: str = "sgd") -> Parameterization:
        return Parameterization(as_abc(self.parameterization, optimizer))

    def keeps_width(self) -> bool:
        return all(layer.keeps_width() for layer in self.layers)

    def placed(self, parameterization: Parameterization) -> tuple[tuple[Layer, Parameterization], ...]:
        wide_output, after = parameterization.wide_output, []
        for layer in reversed(self.layers):
            after.append(wide_output)
            wide_output = wide_output or not layer.keeps_width()
        wide_input, placed = parameterization.wide_input, []
        for layer, wide_output in zip(self.layers, reversed(after), strict=True):
            placed.append((layer, parameterization.at(wide_input, wide_output)))
            wide_input = layer.makes_width(placed[-1][1])
        return tuple(placed)

    def makes_width(self, parameterization: Parameterization) -> bool:
        if not self.layers:
            return parameterization.wide_input
        last, own = self.placed(parameterization)[-1]
        return last.makes_width(own)

    def _spelled_arguments(self) -> list[str]:
        layers = [spell(layer) for layer in self.layers]
        if self.parameterization == DEFAULT_PARAMETERIZATION:
            return layers
        return [*layers, f"parameterization={self.parameterization!r}"]


def _at(position: int, layer: Layer) -> Any:
    nested = f"in Sequential at position {position}" if isinstance(layer, Sequential) else None
    return located(f"at position {position}", nested)
