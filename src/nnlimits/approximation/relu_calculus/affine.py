"""Affine functions, the networks without a rectifier."""

from typing import Any

import numpy as np
from scipy import sparse

from nnlimits.approximation.relu_calculus.affine_map import AffineMap
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork


def affine(weight: Any, bias: Any = None) -> ReluNetwork:
    """The network of depth 0 with the values `x W + b`; its weights are the entries of W and b that are not zero.

    **Arguments:** `weight`, W of shape (inputs, outputs), of NumPy or SciPy, or nested lists; `bias`, b, zero if None.

    **Raises:** as `AffineMap`; `ValueError` for a weight that is no matrix.
    """
    weight = weight if sparse.issparse(weight) else np.asarray(weight, np.float64)
    if weight.ndim != 2:
        raise ValueError(f"weight must be a matrix of shape (inputs, outputs); received shape {weight.shape}")
    bias = np.zeros(weight.shape[1]) if bias is None else np.asarray(bias, np.float64)
    return ReluNetwork((AffineMap(weight, bias),))


def selection(inputs: int, chosen: Any) -> ReluNetwork:
    """The network of depth 0 that keeps some coordinates, in the order of `chosen`; one weight for each.

    **Raises:** `ValueError` for a coordinate that is not there, or is no integer.
    """
    chosen = np.asarray(chosen)
    if (
        not np.issubdtype(chosen.dtype, np.integer)
        or chosen.ndim != 1
        or chosen.size == 0
        or chosen.min() < 0
        or chosen.max() >= inputs
    ):
        raise ValueError(f"chosen must list coordinates from 0 to {inputs - 1}; received {chosen.tolist()}")
    places = chosen, np.arange(chosen.size)
    return affine(sparse.csr_array((np.ones(chosen.size), places), shape=(inputs, chosen.size)))
