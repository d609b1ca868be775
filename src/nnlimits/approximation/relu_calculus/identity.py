"""Identities of any depth, with which shallower networks are made as deep as others."""

from typing import Any

import numpy as np
from scipy import sparse

from nnlimits.approximation.relu_calculus.affine_map import AffineMap
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.nn.fields import as_integer
from nnlimits.validation import check_finite


def identity(dimension: int, depth: int = 1) -> ReluNetwork:
    """The function `x -> x` with `depth` hidden layers, as `relu(x) - relu(-x)`: exact in floating point.

    Width 2 d and 2 d (depth + 1) weights for depth at least 1; for depth 0, d weights.
    (Petersen & Voigtlaender 2018, Lemma 2.3.)

    **Raises:** `ValueError` for a dimension below 1 or a negative depth.
    """
    dimension, depth = as_integer("dimension", 1, dimension), as_integer("depth", 0, depth)
    eye = sparse.eye_array(dimension, format="csr")
    if depth == 0:
        return ReluNetwork((AffineMap(eye, np.zeros(dimension)),))
    both = sparse.hstack([eye, -eye])
    first, last = AffineMap(both, np.zeros(2 * dimension)), AffineMap(both.T, np.zeros(dimension))
    between = AffineMap(sparse.eye_array(2 * dimension), np.zeros(2 * dimension))
    return ReluNetwork((first, *[between] * (depth - 1), last))


def bounded_identity(lower: Any, depth: int = 1) -> ReluNetwork:
    """The function `x -> max(x, lower)` with `depth` hidden layers: the identity of what is never below `lower`.

    Of width d, half of what `identity` has. Exact in floating point where `lower` is zero; elsewhere up to the rounding of
    `x - lower`.

    **Arguments:** `lower`, one number for each coordinate; `depth`, at least 1.

    **Raises:** `ValueError` for a bound that is not finite, or a depth below 1.
    """
    lower, depth = np.atleast_1d(np.asarray(lower, np.float64)), as_integer("depth", 1, depth)
    check_finite("lower", lower)
    eye, zeros = sparse.eye_array(lower.size, format="csr"), np.zeros(lower.size)
    return ReluNetwork((AffineMap(eye, -lower), *[AffineMap(eye, zeros)] * (depth - 1), AffineMap(eye, lower)))
