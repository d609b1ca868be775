"""Mean-field Langevin dynamics: noisy descent of all neurons."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from nnlimits.mean_field.course import Course, Moving, stepped
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk
from nnlimits.mean_field.temperature import Schedule, Temperature, as_schedule
from nnlimits.training.recording import segments_of
from nnlimits.validation import check_positive


def langevin(
    risk: Risk,
    neurons: Neurons,
    temperature: Temperature,
    step: Any,
    steps: Sequence[Any] | np.ndarray,
    key: PRNGKeyArray,
) -> Course:
    """`d theta_i = -grad V(theta_i; rho) dt + sqrt(2 temperature) dW_i`, by steps of Euler & Maruyama.

    Its law follows `density_flow` at the same temperature as the number of neurons grows, and comes to rest at `gibbs` (Mei,
    Montanari & Nguyen 2018, section 6; Nitanda, Wu & Suzuki 2022). Risks need a potential or `decay` that holds the neurons.

    **Arguments:** `risk`; `neurons`; `temperature`, at least 0, or a function of time for annealing (`1 / log(2 + t)`,
    say: Chizat 2022), which JAX can trace; `step` and `steps` as of `descent`; `key`, a JAX random key.

    **Returns:** a `Course`; `dissipated` counts the drift alone.

    **Raises:** `ValueError` for numbers out of range.
    """
    risk.check(neurons)
    check_positive("step", step)
    segments = segments_of(steps)
    with risk.precision(neurons):
        dtype = neurons.positions.dtype
        schedule, _ = as_schedule(temperature, float(step) * int(segments.sum()), dtype)
        return _langevin(risk, neurons, schedule, jnp.asarray(step, dtype), jnp.asarray(segments), key)


@eqx.filter_jit
def _langevin(
    risk: Risk, neurons: Neurons, schedule: Schedule, size: Array, segments: Array, key: PRNGKeyArray
) -> Course:
    def step(state: Moving, index: Array) -> Moving:
        positions, dissipated = state
        velocity = risk.velocity(neurons.moved(positions))
        noise = jax.random.normal(jax.random.fold_in(key, index), positions.shape, positions.dtype)
        spread = jnp.sqrt(2 * schedule(size * index) * size).astype(positions.dtype)
        moved = positions + size * velocity + spread * noise
        return moved, dissipated + size * neurons.average(jnp.square(velocity).sum(-1))

    return stepped(risk, neurons, step, size, segments)
