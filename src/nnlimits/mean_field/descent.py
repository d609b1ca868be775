"""Explicit descent of all neurons, and one-pass stochastic gradient descent."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from nnlimits.mean_field.course import Course, Moving, stepped
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import EmpiricalRisk, Risk
from nnlimits.mean_field.stability import largest_stable_step
from nnlimits.training.recording import segments_of
from nnlimits.validation import check_positive, is_traced

Sampler = Callable[[PRNGKeyArray, int], tuple[Array, Array]]
"""From a key and a number to that many fresh examples: inputs (n, d) and targets (n, outputs)."""


def descent(risk: Risk, neurons: Neurons, step: Any, steps: Sequence[Any] | np.ndarray) -> Course:
    """Gradient descent of all neurons at once, `theta_i - step grad V(theta_i; rho)`.

    It follows `flow` at the times `step * steps` to first order in the step. On the parameters of a finite network it is gradient
    descent at the rate `step * m`.

    **Arguments:** `risk`; `neurons`; `step`, positive, in the flow's unit of time; `steps`, ascending numbers of steps at which
    to record.

    **Returns:** a `Course`.

    **Raises:** `ValueError` for a step that is not positive or steps that do not ascend; `RuntimeError` where the step is so
    large that the risk rises from record to record by more than the neurons dissipate, and a `RuntimeWarning` where it loses
    less than half of that. Both name the largest stable step.
    """
    risk.check(neurons)
    check_positive("step", step)
    with risk.precision(neurons):
        size = jnp.asarray(step, neurons.positions.dtype)
        found = descended(risk, neurons, size, jnp.asarray(segments_of(steps)))
    if not is_traced(found.risks):
        _check_energy(risk, neurons, found, step)
    return found


def sgd(
    units: Any,
    sampler: Sampler,
    neurons: Neurons,
    step: Any,
    steps: Sequence[Any] | np.ndarray,
    key: PRNGKeyArray,
    *,
    batch_size: int = 1,
    loss: Any = "mse",
    decay: float = 0.0,
    risk: Risk | None = None,
) -> Course:
    """Stochastic gradient descent in one pass: every step sees fresh examples.

    It stays within `O(sqrt(step) + 1/sqrt(m))` of the flow on bounded times (Mei, Montanari & Nguyen 2018, theorem 3).

    **Arguments:** `units`; `sampler(key, n)`, which returns n fresh examples and their targets; `step` and `steps` as of
    `descent`; `key`, a JAX random key; `batch_size`; `loss` and `decay` as of `EmpiricalRisk`; `risk`, to be recorded: if
    absent, that of 4,096 fresh examples, the same for all records.

    **Raises:** as `descent`, but for steps that are too large, which show as a risk that grows.
    """
    check_positive("step", step)
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of at least 1; received {batch_size!r}")
    fresh, key = jax.random.split(key)
    if risk is None:
        risk = EmpiricalRisk(units, *sampler(fresh, _RECORDED), loss, decay)
    risk.check(neurons)

    at = _Fresh(units, sampler, batch_size, loss, decay)
    with risk.precision(neurons):
        size = jnp.asarray(step, neurons.positions.dtype)
        return _sgd(risk, at, neurons, size, jnp.asarray(segments_of(steps)), key)


_RECORDED = 4096


class _Fresh(eqx.Module):
    """The risk on fresh examples; a value, so that a second run is not compiled again."""

    units: Any
    sampler: Sampler
    batch_size: int = eqx.field(static=True)
    loss: Any = eqx.field(static=True)
    decay: float = eqx.field(static=True)

    def __call__(self, key: PRNGKeyArray) -> Risk:
        return EmpiricalRisk(self.units, *self.sampler(key, self.batch_size), self.loss, self.decay)


@eqx.filter_jit
def descended(risk: Risk, neurons: Neurons, size: Array, segments: Array) -> Course:
    """What `descent` finds, of steps whose size has not been checked."""

    def step(state: Moving, _: Array) -> Moving:
        positions, dissipated = state
        velocity = risk.velocity(neurons.moved(positions))
        return positions + size * velocity, dissipated + size * neurons.average(jnp.square(velocity).sum(-1))

    return stepped(risk, neurons, step, size, segments)


@eqx.filter_jit
def _sgd(
    risk: Risk, at: Callable[[Any], Risk], neurons: Neurons, size: Array, segments: Array, key: PRNGKeyArray
) -> Course:
    def step(state: Moving, index: Array) -> Moving:
        positions, dissipated = state
        velocity = at(jax.random.fold_in(key, index)).velocity(neurons.moved(positions))
        return positions + size * velocity, dissipated + size * neurons.average(jnp.square(velocity).sum(-1))

    return stepped(risk, neurons, step, size, segments)


def _check_energy(risk: Risk, neurons: Neurons, course: Course, step: Any) -> None:
    """Hold what the risk lost against what the neurons dissipated: equal for small steps, for too large ones far less."""
    risks, dissipated = (np.asarray(v, np.float64) for v in (course.risks, course.dissipated))
    lost, due = -np.diff(risks), np.diff(dissipated)
    noise = 1e3 * np.finfo(course.risks.dtype).eps * (1 + np.abs(risks[:-1]))
    diverged = ~np.isfinite(risks[1:]) | (-lost > due + noise)
    wasted = diverged | (lost < due / 2 - noise)
    if not wasted.any():
        return
    before = int(np.argmax(wasted))
    largest = largest_stable_step(risk, course.at(before))
    times = np.asarray(course.times)
    text = (
        f"step={float(step):g} is too large: between times {times[before]:g} and {times[before + 1]:g} the risk went from "
        f"{risks[before]:.4g} to {risks[before + 1]:.4g}, where the neurons' speeds account for a loss of {due[before]:.4g}. "
        f"The largest stable step at the first of these times is about {largest:.3g}"
    )
    if diverged.any():
        raise RuntimeError(text)
    warnings.warn(text + "; the neurons jump to and fro, and do not follow the flow", RuntimeWarning, stacklevel=3)


def observed(course: Course, function: Callable[[Neurons], Any]) -> Float[Array, "records ..."]:
    """A function of the neurons at every record."""
    return jax.vmap(lambda positions, masses: function(Neurons(positions, masses)))(course.positions, course.masses)
