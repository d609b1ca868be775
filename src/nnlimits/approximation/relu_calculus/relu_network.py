"""Rectifier networks as values with which one calculates."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float, PyTree

from nnlimits import nn
from nnlimits.approximation.from_weights import from_weights
from nnlimits.approximation.relu_calculus.affine_map import AffineMap
from nnlimits.nn.fields import as_floating
from nnlimits.validation import check_inputs, check_instance

_LARGEST_DENSE = 2**28
"""How many parameters an expression of the language may have, whose matrices are dense: 2 GiB in double precision."""


@dataclasses.dataclass(frozen=True, eq=False)
class ReluNetwork:
    """The function `x -> relu(... relu(x W_1 + b_1) ...) W_{L+1} + b_{L+1}` with its parameters, L hidden layers deep.

    Matrices are sparse, so that networks of many thousand units are built, counted and evaluated quickly. Counts follow
    Petersen & Voigtlaender (2018, Definition 2.1), but for the depth, which counts hidden layers here.

    **Arguments:** `maps`, the affine maps, at least one; with one alone, the network is affine and has depth 0.

    **Raises:** `ValueError` for no maps, or maps that do not follow each other.
    """

    maps: tuple[AffineMap, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "maps", tuple(self.maps))
        if not self.maps:
            raise ValueError("maps is empty: a network has at least one affine map")
        for position, one in enumerate(self.maps):
            check_instance(f"maps[{position}]", one, AffineMap)
            before = self.maps[position - 1].outputs if position else one.inputs
            if one.inputs != before:
                raise ValueError(f"maps[{position}] takes {one.inputs} numbers, and the map before it gives {before}")

    @property
    def inputs(self) -> int:
        """The dimension of the domain."""
        return self.maps[0].inputs

    @property
    def outputs(self) -> int:
        """The dimension of the values."""
        return self.maps[-1].outputs

    @property
    def depth(self) -> int:
        """The number of hidden layers, which is that of rectifications one after another."""
        return len(self.maps) - 1

    @property
    def widths(self) -> tuple[int, ...]:
        """The number of units in each hidden layer."""
        return tuple(one.outputs for one in self.maps[:-1])

    @property
    def width(self) -> int:
        """The number of units in the widest hidden layer, 0 without any."""
        return max(self.widths, default=0)

    @property
    def units(self) -> int:
        """The number of hidden units in all."""
        return sum(self.widths)

    @property
    def weights(self) -> int:
        """The number of parameters that are not zero, weights and biases."""
        return sum(one.weights for one in self.maps)

    def __call__(self, x: Float[Any, "n d"]) -> Float[np.ndarray, "n outputs"]:
        """The values at points, in double precision.

        **Raises:** `ValueError` for points of another dimension.
        """
        values = check_inputs("x", np.asarray(x, np.float64))
        if values.shape[1] != self.inputs:
            raise ValueError(f"the network takes {self.inputs} inputs; x has shape {values.shape}")
        for one in self.maps[:-1]:
            values = np.maximum(one(values), 0.0)
        return self.maps[-1](values)

    def network(self, *, dtype: Any = np.float64) -> tuple[nn.Sequential, PyTree]:
        """The network as an expression of the language, with parameters in `dtype`; its matrices are dense.

        **Raises:** `ValueError` if the dense matrices would have more than 2^28 entries; `TypeError` for another type than a
        floating-point one.
        """
        kind = as_floating(dtype)
        size = sum(one.inputs * one.outputs for one in self.maps)
        if size > _LARGEST_DENSE:
            raise ValueError(
                f"the network has {self.weights:,} non-zero parameters, but as dense matrices {size:,} entries, more than "
                f"{_LARGEST_DENSE:,}; call the ReluNetwork itself, which is sparse, or build a smaller one"
            )
        return from_weights([(one.weight.toarray(), one.bias) for one in self.maps], nn.Relu(), dtype=kind)

    def __repr__(self) -> str:
        return (
            f"ReluNetwork({self.inputs} -> {self.outputs}: depth {self.depth}, width {self.width}, "
            f"{self.units:,} units, {self.weights:,} weights)"
        )
