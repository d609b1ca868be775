"""What is recorded of neurons in motion, and the identity that tells whether they moved well."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from nnlimits.compute.precision import precision_of
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk
from nnlimits.training.recording import record

Moving = tuple[Array, Array]
"""Positions, and what has been dissipated."""


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
        along an exact flow. Kinked activations on few examples leave less than zero: neurons that slide along a kink jump from
        side to side of it, faster than they move.
        """
        with precision_of(self.risks):
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


def stepped(
    risk: Risk, neurons: Neurons, step: Callable[[Any, Any], Moving], size: Array, segments: Int[Array, " records"]
) -> Course:
    """A course by `step(state, index)`, whose masses stay; `size` is a step's time, `segments` the steps between records."""

    def seen(state: Moving) -> tuple[Array, Moving]:
        return risk(neurons.moved(state[0])), state

    start = jnp.asarray(neurons.positions), jnp.zeros((), size.dtype)
    risks, (positions, dissipated) = record(step, start, segments, seen)
    masses = jnp.broadcast_to(jnp.asarray(neurons.masses), positions.shape[:2])
    return Course(size * jnp.cumsum(segments), risks, positions, masses, dissipated)
