"""A finite measure of neurons: the state of every particle method."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.validation import check_finite, is_traced

Positions = Float[Array | np.ndarray, "m p"]
"""The parameters of `m` neurons."""


class Neurons(eqx.Module):
    """The measure `sum_i masses_i delta(positions_i)` over the parameters of one neuron.

    **Arguments:** `positions`, the parameters of `m` neurons, one in each row; `masses`, not negative, `1/m` each if absent.

    **Raises:** `ValueError` for an empty or wrong shape, values that are not finite, or negative masses.
    """

    positions: Positions
    masses: Float[Array | np.ndarray, " m"]

    def __init__(self, positions: Any, masses: Any = None) -> None:
        if np.ndim(positions) != 2 or 0 in np.shape(positions):
            raise ValueError(f"positions must have the shape (neurons, parameters); received {np.shape(positions)}")
        m = len(positions)
        if masses is None:
            masses = np.full(m, 1 / m, positions.dtype)
        if np.shape(masses) != (m,):
            raise ValueError(f"masses must be one for each of the {m} neurons; received shape {np.shape(masses)}")
        check_finite("positions", positions)
        check_finite("masses", masses)
        if not is_traced(masses) and np.any(np.asarray(masses) < 0):
            raise ValueError(f"masses must not be negative; the smallest is {np.min(np.asarray(masses))}")
        self.positions, self.masses = positions, masses

    def __len__(self) -> int:
        return self.positions.shape[0]

    def moved(self, positions: Positions) -> "Neurons":
        """The same masses elsewhere."""
        return eqx.tree_at(lambda neurons: neurons.positions, self, positions)

    def average(self, values: Float[Array | np.ndarray, "m ..."]) -> Float[Array, "..."]:
        """The integral of a function known at the neurons."""
        return jnp.tensordot(jnp.asarray(self.masses), jnp.asarray(values), 1)
