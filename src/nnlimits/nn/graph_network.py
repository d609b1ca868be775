"""Networks on graphs."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.context import surrounded, surroundings
from nnlimits.nn.errors import located
from nnlimits.nn.layer import Layer
from nnlimits.nn.members import as_member
from nnlimits.nn.parameterization import Parameterization
from nnlimits.nn.sequential import Sequential
from nnlimits.nn.word import spell


class GraphNetwork(Layer):
    """Layers that see the features of the nodes of a graph, and with `Aggregate` their neighbours'.

    One example is an array (nodes, nodes + features): row p is the p-th row of the adjacency matrix A, followed by the
    features of node p. `A[p, q]` weighs what node p receives from node q. Graphs of several sizes are padded with rows and
    columns of zeros, in an `nn.Masked` (where a node without edges whose features are all zero is padding too).

    The layers run one after another as in `Sequential`, starting from the features (nodes, features); the parameters are a
    tuple, one entry a layer.

    **Arguments:** the layers.
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Any) -> None:
        self.layers = tuple(as_member(f"GraphNetwork's layer {i}", layer) for i, layer in enumerate(layers))

    @property
    def body(self) -> Sequential:
        """The layers, as one that maps the features."""
        return Sequential(*self.layers)

    def split(
        self, x: Float[Array | np.ndarray, "n nodes channels"]
    ) -> tuple[Float[Array | np.ndarray, "n nodes nodes"], Float[Array | np.ndarray, "n nodes features"]]:
        """The adjacency matrices and the features in the inputs `x`."""
        return x[:, :, : x.shape[1]], x[:, :, x.shape[1] :]

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        features = self._features(input_shape)
        with located("in GraphNetwork"), surrounded(nodes=input_shape[0]):
            return self.body.output_shape(features)

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Draw the parameters of each layer: a tuple, one entry a layer."""
        features = self._features(input_shape)
        with located("in GraphNetwork"), surrounded(nodes=input_shape[0]):
            return self.body.initialize(key, features, parameterization, dtype)

    def forward(
        self,
        params: PyTree,
        x: Float[Array, "n nodes channels"],
        key: PRNGKeyArray | None,
        parameterization: Parameterization,
    ) -> Float[Array, "n ..."]:
        adjacency, features = map(jnp.asarray, self.split(x))
        with located("in GraphNetwork"), surrounded(nodes=x.shape[1], adjacency=adjacency):
            return self.body.forward(params, features, key, parameterization)

    def keeps_width(self) -> bool:
        return self.body.keeps_width()

    def placed(self, parameterization: Parameterization) -> tuple[tuple[Layer, Parameterization], ...]:
        return self.body.placed(parameterization)

    def makes_width(self, parameterization: Parameterization) -> bool:
        return self.body.makes_width(parameterization)

    def _features(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if surroundings().nodes is not None:
            raise self._shape_error("is inside another GraphNetwork, which has taken the graph from its input already.")
        if len(input_shape) != 2 or input_shape[1] <= input_shape[0]:
            raise self._shape_error(
                "expects (nodes, nodes + features), the adjacency matrix and the features side by side; it received "
                f"{input_shape}."
            )
        nodes, channels = input_shape
        return (nodes, channels - nodes)

    def _spelled_arguments(self) -> list[str]:
        return [spell(layer) for layer in self.layers]
