"""Descent until the risk falls no more, by steps as large as the energy identity allows."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from nnlimits.mean_field.course import Course
from nnlimits.mean_field.descent import descended
from nnlimits.mean_field.langevin import langevin
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk
from nnlimits.mean_field.stability import largest_stable_step

_STRIDE = 50
"""Steps of one size."""
_PATIENCE = 3
"""Strides in a row, each of half the step before, that must bring nothing where neurons jump to and fro."""
_STILL = 1e3
"""Changes of the risk that are rounding errors, in units of the precision."""


class Rest(NamedTuple):
    """Where neurons came to rest, and the way there."""

    neurons: Neurons
    times: Float[np.ndarray, " strides"]
    risks: Float[np.ndarray, " strides"]
    settled: bool
    """Whether the risk had stopped falling, rather than the steps run out."""
    steps: int


def descend_to_rest(
    risk: Risk, neurons: Neurons, *, tolerance: float = 1e-3, max_steps: int = 10_000, step: float | None = None
) -> Rest:
    """Gradient descent in strides of 50 steps, until a stride lowers the risk by less than `tolerance` of itself.

    Along the exact flow the risk loses what the neurons dissipate. The first step is half of the largest that is stable; after a
    stride that raised the risk it is halved, and the stride done again; after one that lost more than nine tenths of what was
    dissipated, it grows by a half. A stride that lost less is kept: neurons that slide along the kink of an activation jump
    from side to side of it at any step, and get on in proportion to it. Where they bring nothing, the step is halved as well.

    **Arguments:** `risk`; `neurons`, where they start; `tolerance`; `max_steps`, whose last stride is whole; `step`, the first.

    **Returns:** a `Rest`.
    """
    risk.check(neurons)
    size = min(largest_stable_step(risk, neurons) / 2, 1e6) if step is None else step
    times, risks, done, idle, settled = [0.0], [], 0, 0, False
    with risk.precision(neurons):
        while done < max_steps and not settled:
            course = _stride(risk, neurons, size)
            risks = risks or [float(course.risks[0])]
            lost, due = float(course.risks[0] - course.risks[1]), float(course.dissipated[1])
            noise = _STILL * float(jnp.finfo(course.risks.dtype).eps) * abs(risks[-1])
            done += _STRIDE
            if not np.isfinite(lost) or lost < -noise:
                size /= 2
                continue
            neurons = course.final
            times.append(times[-1] + _STRIDE * size)
            risks.append(float(course.risks[1]))
            idle = idle + 1 if lost <= max(tolerance * abs(risks[-1]), noise) else 0
            settled = idle > 0 and (lost >= due / 2 - noise or idle > _PATIENCE)
            if idle and not settled:
                size /= 2
            if lost > 0.9 * due:
                size *= 1.5
    return Rest(neurons, np.asarray(times[: len(risks)]), np.asarray(risks), settled, done)


def wander(
    risk: Risk, neurons: Neurons, temperature: float, key: PRNGKeyArray, *, steps: int, step: float | None = None
) -> Rest:
    """`langevin` in strides of 50 steps, by half of the largest step that is stable at the start if `step` is absent.

    **Raises:** as `langevin`.
    """
    size = largest_stable_step(risk, neurons) / 2 if step is None else step
    risks = []
    for stride in range(-(-steps // _STRIDE)):
        course = langevin(risk, neurons, temperature, size, [0, _STRIDE], jax.random.fold_in(key, stride))
        risks = [*(risks or [float(course.risks[0])]), float(course.risks[1])]
        neurons = course.final
    done = len(risks) - 1
    return Rest(neurons, _STRIDE * size * np.arange(done + 1), np.asarray(risks), True, _STRIDE * done)


def _stride(risk: Risk, neurons: Neurons, size: float) -> Course:
    return descended(risk, neurons, jnp.asarray(size, neurons.positions.dtype), jnp.asarray([0, _STRIDE]))
