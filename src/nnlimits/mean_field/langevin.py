"""Mean-field Langevin dynamics: noisy descent of all neurons."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from nnlimits.mean_field.course import Course, Moving, stepped
from nnlimits.mean_field.failures import check_start, why_they_run
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk
from nnlimits.mean_field.stability import largest_stable_step
from nnlimits.mean_field.temperature import Schedule, Temperature, as_schedule
from nnlimits.training.recording import segments_of
from nnlimits.validation import check_positive, is_traced


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

    **Raises:** `ValueError` for numbers out of range or neurons without mass; `RuntimeError` that names the times and the largest
    stable step where neurons run away.
    """
    check_start(risk, neurons)
    check_positive("step", step)
    segments = segments_of(steps)
    with risk.precision(neurons):
        dtype = neurons.positions.dtype
        schedule, _ = as_schedule(temperature, float(step) * int(segments.sum()), dtype)
        found = _langevin(risk, neurons, schedule, jnp.asarray(step, dtype), jnp.asarray(segments), key)
    if not is_traced(found.risks):
        _check_finite(risk, neurons, found, step)
    return found


def _check_finite(risk: Risk, neurons: Neurons, found: Course, step: Any) -> None:
    finite = np.isfinite(np.asarray(found.risks)) & np.isfinite(np.asarray(found.positions)).all((1, 2))
    if finite.all():
        return
    times, record = np.asarray(found.times), int(np.argmin(finite))
    raise RuntimeError(
        f"neurons run away between times {times[record - 1] if record else 0:g} and {times[record]:g} of langevin: "
        f"step={step:g} is too large (the largest stable one at the start is about {largest_stable_step(risk, neurons):.3g}), "
        f"or they run, {why_they_run(risk)}"
    )


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
