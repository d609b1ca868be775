"""Sums of ridge functions: one hidden layer before it is a network."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, PyTree

from nnlimits import nn
from nnlimits.approximation.from_weights import from_weights


class Ridges(NamedTuple):
    """`constant + sum_i coefficients_i phi(weights_i . x + biases_i)`."""

    weights: Float[np.ndarray, "d units"]
    biases: Float[np.ndarray, " units"]
    coefficients: Float[np.ndarray, "units outputs"]
    constant: Float[np.ndarray, " outputs"]

    @property
    def units(self) -> int:
        """How many."""
        return len(self.biases)

    def along(self, direction: Float[np.ndarray, " d"], offset: float) -> "Ridges":
        """Of `direction . x + offset` in place of the one input."""
        return self._replace(
            weights=direction[:, None] * self.weights[0], biases=self.biases + offset * self.weights[0]
        )

    def network(self, activation: nn.Activation) -> tuple[nn.Sequential, PyTree]:
        """The network of one hidden layer, and its parameters."""
        return from_weights([(self.weights, self.biases), (self.coefficients, self.constant)], activation)


def combined(parts: Sequence[Ridges], constant: Float[np.ndarray, " outputs"]) -> Ridges:
    """The sum of all, and of a constant."""
    return Ridges(
        np.concatenate([part.weights for part in parts], axis=1),
        np.concatenate([part.biases for part in parts]),
        np.concatenate([part.coefficients for part in parts]),
        constant + sum((part.constant for part in parts), np.zeros_like(constant)),
    )
