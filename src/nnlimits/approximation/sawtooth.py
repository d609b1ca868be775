"""Telgarsky's sawtooth: a function that is cheap by depth."""

import numpy as np

from nnlimits.approximation.relu_calculus import ReluNetwork, compose, piecewise_linear
from nnlimits.approximation.relu_calculus.affine_map import AffineMap
from nnlimits.nn.fields import as_integer


def sawtooth(k: int) -> ReluNetwork:
    """The tent `x -> 1 - |2 x - 1|` on [0, 1] composed with itself k times: 2^{k-1} teeth, 2^k linear pieces.

    Depth k, width 2, 2 k units and 5 k weights; for k from 2 on it is 0 outside of [0, 1]. Exact in floating point at multiples
    of 2^-k. (Telgarsky 2015; 2016.)

    **Arguments:** `k`, at least 1.
    """
    k = as_integer("k", 1, k)
    tooth = np.array([[2.0], [-4.0]])
    bias = np.array([0.0, -0.5])
    first, between = AffineMap([[1.0, 1.0]], bias), AffineMap(np.hstack([tooth, tooth]), bias)
    return ReluNetwork((first, *[between] * (k - 1), AffineMap(tooth, np.zeros(1))))


def layered_sawtooth(k: int, depth: int) -> ReluNetwork:
    """The same function on [0, 1] by `depth` hidden layers, from 1 to k, as even as they can be.

    Sawtooths of `k_1 + ... + k_L = k` one inside the other: layers of widths `2^{k_1}, ..., 2^{k_L}`, so about `L 2^{k / L}`
    units: 2^k for one layer, 2 k for k of them.

    **Raises:** `ValueError` for a depth below 1 or above k.
    """
    k, depth = as_integer("k", 1, k), as_integer("depth", 1, depth)
    if depth > k:
        raise ValueError(f"depth must be at most k = {k}, with which each layer has a single tooth; received {depth}")
    least, more = divmod(k, depth)
    parts = [least + (layer < more) for layer in range(depth)]
    return compose(*(_one_layer(part) for part in parts))


def _one_layer(k: int) -> ReluNetwork:
    """On [0, 1]; the last knot bends to a constant, which no point of [0, 1] sees, so its unit is left out."""
    knots = np.arange(2**k + 1) / 2**k
    first, last = piecewise_linear(knots, np.arange(2**k + 1) % 2.0).maps
    return ReluNetwork((AffineMap(first.weight[:, :-1], first.bias[:-1]), AffineMap(last.weight[:-1], last.bias)))
