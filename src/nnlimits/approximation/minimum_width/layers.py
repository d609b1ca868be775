"""Layers of ReLU units of one width, written as affine expressions of the units before them."""

from typing import Any

import numpy as np
from jaxtyping import PyTree

from nnlimits import nn
from nnlimits.approximation.deep_narrow.stacked import stacked

Expression = np.ndarray
"""The coefficients of the units of the last layer, and a constant behind them."""


class Layers:
    """The hidden layers made so far: each call of `relu` adds one, and expressions of older units are then void.

    **Arguments:** `inputs`, how many there are; `width`, of every layer: units that are not used are zero.
    """

    def __init__(self, inputs: int, width: int) -> None:
        self.width = width
        self._sources = inputs
        self._first: tuple[np.ndarray, np.ndarray] | None = None
        self._weights: list[np.ndarray] = []
        self._biases: list[np.ndarray] = []

    @property
    def depth(self) -> int:
        """The number of hidden layers."""
        return len(self._weights) + (self._first is not None)

    def constant(self, value: int | float) -> Expression:
        """An expression without units."""
        expression = np.zeros(self._sources + 1)
        expression[-1] = value
        return expression

    def inputs(self) -> list[Expression]:
        """The inputs, before the first layer."""
        return list(np.eye(self._sources, self._sources + 1))

    def relu(self, *rows: Expression) -> list[Expression]:
        """Add a layer with the positive part of each expression, and return the units that hold them.

        **Raises:** `AssertionError` for more expressions than the width has units.
        """
        assert len(rows) <= self.width, f"{len(rows)} units in a layer of width {self.width}"
        weight, bias = np.zeros((self._sources, self.width)), np.zeros(self.width)
        for unit, row in enumerate(rows):
            weight[:, unit], bias[unit] = row[:-1], row[-1]
        if self._first is None:
            self._first = weight, bias
        else:
            self._weights.append(weight)
            self._biases.append(bias)
        self._sources = self.width
        return list(np.eye(self.width, self.width + 1)[: len(rows)])

    def network(self, outputs: list[Expression], dtype: Any) -> tuple[nn.Sequential, PyTree]:
        """The network whose outputs are expressions of the last layer's units, and its parameters."""
        assert self._first is not None, "a network needs a hidden layer"
        last = np.stack(outputs, axis=1)
        inside = (
            np.asarray(self._weights).reshape(-1, self.width, self.width),
            np.asarray(self._biases).reshape(-1, self.width),
        )
        return stacked(self._first, inside, (last[:-1], last[-1]), nn.Relu(), dtype)
