"""How large a fully connected network is."""

from typing import NamedTuple

import jax
import numpy as np

from nnlimits.approximation.approximation import Approximation


class NetworkSize(NamedTuple):
    """Counts of Petersen & Voigtlaender (2018), with hidden layers as the depth."""

    depth: int
    """Hidden layers."""
    width: int
    """Units of the widest hidden layer."""
    units: int
    """Hidden units."""
    weights: int
    """Parameters that are not zero."""


def network_size(approximation: Approximation) -> NetworkSize:
    """The size of an approximation whose network is a chain of `nn.Dense` with activations between them.

    **Raises:** `ValueError` for another network.
    """
    if not isinstance(approximation.params, tuple) or not all(
        set(part) <= {"weight", "bias"} for part in approximation.params
    ):
        raise ValueError("the size is counted of chains of Dense layers, such as from_weights makes")
    widths = [np.shape(part["weight"])[1] for part in approximation.params if part][:-1]
    weights = sum(int(np.count_nonzero(leaf)) for leaf in jax.tree.leaves(approximation.params))
    return NetworkSize(len(widths), max(widths, default=0), sum(widths), weights)
