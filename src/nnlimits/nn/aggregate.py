"""Sums over the neighbours in a graph."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from nnlimits.nn.context import mask_of, surroundings, without_masked
from nnlimits.nn.fields import choice_field, flag_field
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization
from nnlimits.validation import is_traced

NORMALIZATIONS = ("none", "mean", "symmetric")


class Aggregate(Layer):
    """Each node's sum over its neighbours, `y_p = sum_q A_pq x_q`, in the graph of the `GraphNetwork` around it.

    **Arguments:** `normalize`: `"none"` takes the adjacency matrix A as it is; `"mean"` divides by the degrees, `D^-1 A`;
    `"symmetric"` takes `D^-1/2 A D^-1/2` (Kipf & Welling 2017, equation 2), the degrees D being the sums of the rows;
    `self_loops`, whether to add the identity to A first. A node of degree 0 receives zeros and, if symmetric, sends none.

    Inside `Masked`, masked nodes are absent: without edges and without self-loops.
    """

    normalize: str = choice_field("normalize", NORMALIZATIONS, "none")
    self_loops: bool = flag_field("self_loops", False)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        nodes = surroundings().nodes
        if nodes is None:
            raise self._shape_error("needs a graph; it works inside nn.GraphNetwork(...) only.")
        if len(input_shape) != 2 or input_shape[0] != nodes:
            raise self._shape_error(
                f"expects the features of the {nodes} nodes of its graph, ({nodes}, C); it received {input_shape}."
            )
        return input_shape

    def matrix(
        self, adjacency: Float[Array, "n nodes nodes"], mask: Bool[Array, "n nodes"] | None = None
    ) -> Float[Array, "n nodes nodes"]:
        """The matrix that multiplies the features: self-loops added, then normalized; `mask` is True at absent nodes.

        **Raises:** `ValueError` for negative entries where degrees are needed.
        """
        self.check_adjacency(adjacency)
        if self.self_loops:
            adjacency = adjacency + jnp.eye(adjacency.shape[-1], dtype=adjacency.dtype)
        if mask is not None:
            adjacency = jnp.where(mask[:, :, None] | mask[:, None, :], 0, adjacency)
        if self.normalize == "none":
            return adjacency
        degree = adjacency.sum(-1)
        positive = degree > 0
        inverse = jnp.where(positive, 1 / jnp.where(positive, degree, 1), 0)
        if self.normalize == "mean":
            return inverse[:, :, None] * adjacency
        root = jnp.where(positive, jnp.sqrt(jnp.where(positive, inverse, 1)), 0)
        return root[:, :, None] * adjacency * root[:, None, :]

    def forward(
        self,
        params: PyTree,
        x: Float[Array, "n nodes channels"],
        key: PRNGKeyArray | None,
        parameterization: Parameterization,
    ) -> Float[Array, "n nodes channels"]:
        adjacency = surroundings().adjacency
        if adjacency is None:
            raise self._shape_error("needs a graph; it works inside nn.GraphNetwork(...) only.")
        return jnp.matmul(self.matrix(adjacency, mask_of(x.shape[1:-1])), without_masked(x))

    def check_adjacency(self, adjacency: Float[Array | np.ndarray, "n nodes nodes"]) -> None:
        """Raise `ValueError` for negative entries where degrees are needed, and values are known."""
        if self.normalize == "none" or is_traced(adjacency):
            return
        values = np.asarray(adjacency)
        if (values < 0).any():
            place = tuple(int(i) for i in np.unravel_index(int(np.argmax(values < 0)), values.shape))
            raise ValueError(
                f"Aggregate divides by the degrees of the nodes, so the adjacency matrix must not be negative; it has "
                f"{values[place]:g} at (example, row, column) {place}; use normalize='none' for signed weights"
            )
