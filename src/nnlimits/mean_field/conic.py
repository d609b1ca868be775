"""Conic particle flow: neurons move on the sphere, and their masses grow or shrink."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.mean_field.course import Course
from nnlimits.mean_field.flow import State, Times, followed
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk
from nnlimits.validation import check_non_negative


def conic_flow(
    risk: Risk,
    neurons: Neurons,
    times: Times,
    *,
    birth: float = 1.0,
    transport: float = 1.0,
    tolerance: float = 1e-6,
    solver: Any = None,
) -> Course:
    """The gradient flow of measures on the sphere in the conic (Wasserstein-Fisher-Rao) metric.

    `d theta_i / dt = -transport grad V(theta_i)` along the sphere, `d mass_i / dt = -4 birth mass_i V(theta_i)` (Chizat 2022,
    equation 1.5). It finds sparse measures: with the risk's `decay`, a penalty `decay / 2` on the total mass, the least risk is
    reached by few neurons, and the masses of the others vanish at an exponential rate.

    **Arguments:** `risk`; `neurons`, whose positions are brought to the unit sphere, with their masses as they are; `times`,
    `tolerance` and `solver` as of `flow`; `birth`, `transport`, at least 0.

    **Returns:** a `Course` with masses that change; `dissipated` counts both motions.

    **Raises:** as `flow`; `ValueError` for a neuron at zero, which has no direction.
    """
    check_non_negative("birth", birth)
    check_non_negative("transport", transport)
    norms = np.linalg.norm(np.asarray(neurons.positions), axis=1, keepdims=True)
    if (norms == 0).any():
        raise ValueError(f"positions must not be zero: neuron {int(np.argmin(norms))} has no direction on the sphere")

    dtype = neurons.positions.dtype
    slope = _Conic(np.asarray(birth, dtype), np.asarray(transport, dtype))
    return followed(risk, neurons.moved(np.asarray(neurons.positions) / norms), times, slope, tolerance, solver)


class _Conic(eqx.Module):
    """The velocities of positions and masses; a value whose speeds are traced, so that a second flow is not compiled again."""

    birth: Float[Array | np.ndarray, ""]
    transport: Float[Array | np.ndarray, ""]

    def __call__(self, risk: Risk, state: State) -> State:
        positions, masses, _ = state
        now = Neurons(positions, masses)
        velocity, value = risk.velocity(now), risk.first_variation(now)(positions)
        outward = (velocity * positions).sum(-1, keepdims=True) / jnp.square(positions).sum(-1, keepdims=True)
        along = velocity - outward * positions
        speed = self.transport * jnp.square(along).sum(-1) + 4 * self.birth * value**2
        return jnp.asarray(self.transport * along), jnp.asarray(-4 * self.birth * masses * value), masses @ speed
