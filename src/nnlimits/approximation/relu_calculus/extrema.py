"""Maxima, minima, absolute values and clipping, all exact."""

from typing import Any

import numpy as np

from nnlimits.approximation.relu_calculus.affine import affine
from nnlimits.approximation.relu_calculus.affine_map import AffineMap
from nnlimits.approximation.relu_calculus.compose import compose
from nnlimits.approximation.relu_calculus.identity import identity
from nnlimits.approximation.relu_calculus.parallel import copies, parallel
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.nn.fields import as_integer


def maximum(dimension: int) -> ReluNetwork:
    """The function `x -> max(x_1, ..., x_d)`, by rounds of `max(a, b) = relu(a - b) + relu(b) - relu(-b)`.

    Depth ceil(log2 d); a round of m numbers has 3 floor(m / 2) + 2 (m mod 2) units. (Arora et al. 2018, Theorem 2.1 for the
    depth.)

    **Raises:** `ValueError` for a dimension below 1.
    """
    remaining = as_integer("dimension", 1, dimension)
    network = identity(remaining, 0)
    while remaining > 1:
        pairs, odd = divmod(remaining, 2)
        one_round = copies(_maximum_of_two(), pairs)
        network = compose(parallel(one_round, identity(1, 1)) if odd else one_round, network)
        remaining = pairs + odd
    return network


def minimum(dimension: int) -> ReluNetwork:
    """The function `x -> min(x_1, ..., x_d)`, as minus the maximum of minus x; counts and errors as those of `maximum`."""
    network = maximum(dimension)
    negative = affine(-np.eye(dimension))
    return compose(affine(-np.eye(1)), network, negative)


def absolute(dimension: int = 1) -> ReluNetwork:
    """The function `x -> (|x_1|, ..., |x_d|)`: depth 1, 2 d units and 4 d weights.

    **Raises:** `ValueError` for a dimension below 1.
    """
    one = ReluNetwork((AffineMap([[1.0, -1.0]], np.zeros(2)), AffineMap([[1.0], [1.0]], np.zeros(1))))
    return copies(one, as_integer("dimension", 1, dimension))


def clip(lower: Any, upper: Any) -> ReluNetwork:
    """The function `x -> min(max(x, lower), upper)` of each coordinate, as `lower + relu(x - lower) - relu(x - upper)`.

    Depth 1 and 2 d units; exact but for the rounding of the differences.

    **Raises:** `ValueError` for bounds that are not finite, or out of order.
    """
    low, high = (np.atleast_1d(np.asarray(end, np.float64)) for end in (lower, upper))
    if low.shape != high.shape or not (low <= high).all():
        raise ValueError(f"lower must not exceed upper, one of each for a coordinate; received {lower} and {upper}")
    eye = np.eye(len(low))
    first = AffineMap(np.hstack([eye, eye]), -np.concatenate([low, high]))
    return ReluNetwork((first, AffineMap(np.vstack([eye, -eye]), low)))


def _maximum_of_two() -> ReluNetwork:
    first = AffineMap([[1.0, 0.0, 0.0], [-1.0, 1.0, -1.0]], np.zeros(3))
    return ReluNetwork((first, AffineMap([[1.0], [1.0], [-1.0]], np.zeros(1))))
