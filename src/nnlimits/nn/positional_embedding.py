"""Trainable embeddings of positions."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64, PRNGKeyArray, PyTree

from nnlimits.nn.affine import check_parameters, draw, scaled
from nnlimits.nn.fields import Scalar, non_negative_field, static_real_field
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization, Vector


class PositionalEmbedding(Layer):
    """Adds to each position a trainable vector of its own (Hron, Bahri, Sohl-Dickstein & Novak 2020, section 4.2).

    `y = x + std E`, each channel of E drawn from N(0, R) with `R_pq = exp(-|p - q|^2 / (2 length_scale^2))`, |p - q| the
    Euclidean distance on the grid of positions; with `length_scale=0`, R is the identity. The parameter
    `{"embedding": (*positions, C)}` holds independent draws from N(0, 1), which `forward` multiplies by the symmetric square
    root of R; in the standard parameterization `std` is drawn into them.

    **Arguments:** `std`, at least 0; `length_scale`, at least 0, in steps of the grid.
    """

    std: Scalar = non_negative_field("std", 1.0)
    length_scale: float = static_real_field("length_scale", 0.0, minimum=0.0)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(input_shape) < 2:
            raise self._shape_error(f"expects positions and channels, such as (128, 64); it received {input_shape}.")
        return input_shape

    def correlations(self, positions: tuple[int, ...]) -> tuple[Float64[np.ndarray, "size size"], ...]:
        """R is the Kronecker product of these, one for each axis of `positions`."""
        if self.length_scale == 0:
            return tuple(np.eye(size) for size in positions)
        distances = [np.subtract.outer(np.arange(size), np.arange(size)) for size in positions]
        return tuple(np.exp(-0.5 * (distance / self.length_scale) ** 2) for distance in distances)

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Draw `embedding`."""
        self.output_shape(input_shape)
        return {"embedding": draw(key, input_shape, self._scale(input_shape), parameterization, dtype)}

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        check_parameters(self, params, {"embedding": x.shape[1:]}, x.shape[1:])
        embedding = params["embedding"]
        if self.length_scale > 0:
            for axis, correlation in enumerate(self.correlations(x.shape[1:-1])):
                root = jnp.asarray(_square_root(correlation), embedding.dtype)
                embedding = jnp.moveaxis(jnp.tensordot(root, embedding, (1, axis)), 0, axis)
        return x + scaled(embedding, self._scale(x.shape), parameterization)

    def _scale(self, shape: tuple[int, ...]) -> Vector:
        return Vector(self.std, shape[-1], "input")


def _square_root(matrix: Float64[np.ndarray, "size size"]) -> Float64[np.ndarray, "size size"]:
    """The symmetric square root of a positive semi-definite matrix; eigenvalues below zero are rounding."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
