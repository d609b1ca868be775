"""What is recorded of a law in training."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int

from nnlimits.infinite_depth.mean_field_residual.law import ResidualLaw


class ResidualCourse(NamedTuple):
    """A law in time, along a first axis of records."""

    times: Float[np.ndarray, " records"]
    """In units of the flow."""
    steps: Int[np.ndarray, " records"]
    risks: Float[np.ndarray, " records"]
    dissipated: Float[np.ndarray, " records"]
    """The integral over time of the squared norm of the gradient, by the same steps: along the exact flow what the risk has
    lost."""
    laws: tuple[ResidualLaw, ...]

    @property
    def final(self) -> ResidualLaw:
        """The law at the last record."""
        return self.laws[-1]

    @property
    def energy_gap(self) -> Float[np.ndarray, " records"]:
        """What the risk has lost less what was dissipated, relative to the larger of the two: zero along an exact flow."""
        lost, due = self.risks[0] - self.risks, self.dissipated - self.dissipated[0]
        scale = np.maximum(np.abs(lost), np.abs(due))
        return np.where(scale > 0, (lost - due) / np.where(scale > 0, scale, 1), 0.0)


def as_numpy(value: Array) -> np.ndarray:
    """In double precision, on the host."""
    return np.asarray(value, np.float64)
