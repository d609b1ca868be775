"""What is recorded of neurons in motion, and the identity that tells whether they moved well."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.mean_field.neurons import Neurons


class Course(NamedTuple):
    """Neurons in time, along a first axis of recorded times."""

    times: Float[Array, " records"]
    """In units of the flow; of a discrete method, step size times steps."""
    risks: Float[Array, " records"]
    """The risk, with all that is added to it."""
    positions: Float[Array, "records m p"]
    masses: Float[Array, "records m"]
    dissipated: Float[Array, " records"]
    """The integral over time of the mean square speed, `integral of |grad V|^2 d rho dt`, by the same steps; for neurons whose
    masses move, with their share. Along the exact flow it is what the risk has lost.
    """

    @property
    def energy_gap(self) -> Float[Array, " records"]:
        """What the risk has lost since the first record less what the neurons dissipated, relative to the larger of the two: zero
        along an exact flow.
        """
        lost, dissipated = self.risks[0] - self.risks, self.dissipated - self.dissipated[0]
        scale = jnp.maximum(jnp.abs(lost), jnp.abs(dissipated))
        return jnp.where(scale > 0, (lost - dissipated) / jnp.where(scale > 0, scale, 1), 0.0)

    @property
    def final(self) -> Neurons:
        """The neurons at the last time."""
        return self.at(-1)

    def at(self, record: int) -> Neurons:
        """The neurons of one record."""
        return Neurons(np.asarray(self.positions[record]), np.asarray(self.masses[record]))
