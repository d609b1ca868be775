"""Mean-field Langevin dynamics: noisy descent of all neurons."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from nnlimits.mean_field.course import Course, Moving, stepped
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk
from nnlimits.training.recording import segments_of
from nnlimits.validation import check_non_negative, check_positive

Temperature = float | Callable[[Any], Any]
"""A number, or a function of time."""


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

    **Arguments:** `risk`; `neurons`; `temperature`, at least 0, or a function of time for annealing (`1 / log(t)`, say: Chizat
    2022); `step` and `steps` as of `descent`; `key`, a JAX random key.

    **Returns:** a `Course`; `dissipated` counts the drift alone.

    **Raises:** `ValueError` for numbers out of range.
    """
    risk.check(neurons)
    check_positive("step", step)
    if not callable(temperature):
        check_non_negative("temperature", temperature)
    schedule = temperature if callable(temperature) else _Constant(float(temperature))
    with risk.precision(neurons):
        size = jnp.asarray(step, neurons.positions.dtype)
        return _langevin(risk, neurons, schedule, size, jnp.asarray(segments_of(steps)), key)


class _Constant(eqx.Module):
    value: float

    def __call__(self, _: Any) -> float:
        return self.value


@eqx.filter_jit
def _langevin(
    risk: Risk, neurons: Neurons, schedule: Callable[[Any], Any], size: Array, segments: Array, key: PRNGKeyArray
) -> Course:
    def step(state: Moving, index: Array) -> Moving:
        positions, dissipated = state
        velocity = risk.velocity(neurons.moved(positions))
        noise = jax.random.normal(jax.random.fold_in(key, index), positions.shape, positions.dtype)
        spread = jnp.sqrt(2 * schedule(size * index) * size).astype(positions.dtype)
        moved = positions + size * velocity + spread * noise
        return moved, dissipated + size * neurons.average(jnp.square(velocity).sum(-1))

    return stepped(risk, neurons, step, size, segments)
