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
from nnlimits.mean_field.failures import check_start, extent, warn_at_rest, why_they_run
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import EmpiricalRisk, Risk
from nnlimits.mean_field.stability import largest_stable_step
from nnlimits.training.recording import segments_of
from nnlimits.validation import check_finite, check_positive, is_traced

Sampler = Callable[[PRNGKeyArray, int], tuple[Array, Array]]
"""From a key and a number to that many fresh examples: inputs (n, d) and targets (n, outputs)."""


def descent(risk: Risk, neurons: Neurons, step: Any, steps: Sequence[Any] | np.ndarray) -> Course:
    """Gradient descent of all neurons at once, `theta_i - step grad V(theta_i; rho)`.

    It follows `flow` at the times `step * steps` to first order in the step. On the parameters of a finite network it is gradient
    descent at the rate `step * m`.

    **Arguments:** `risk`; `neurons`; `step`, positive, in the flow's unit of time; `steps`, ascending numbers of steps at which
    to record.

    **Returns:** a `Course`.

    **Raises:** `ValueError` for a step that is not positive, steps that do not ascend, or neurons without mass; `RuntimeError`
    where the step is so large that the risk rises from record to record by more than the neurons dissipate, and a
    `RuntimeWarning` where it loses less than half of that. Both name the largest stable step. A `RuntimeWarning` if no neuron
    moves at all.
    """
    check_start(risk, neurons)
    check_positive("step", step)
    with risk.precision(neurons):
        size = jnp.asarray(step, neurons.positions.dtype)
        found = descended(risk, neurons, size, jnp.asarray(segments_of(steps)))
    if not is_traced(found.risks):
        _check_energy(risk, neurons, found, step)
        warn_at_rest(found, 2)
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

    **Raises:** as `descent`, but for steps that are too large: noise keeps the energy identity from holding. `RuntimeError` that
    names the step and its cause where positions or the risk are no longer finite; a `RuntimeWarning` where the risk has grown
    and the step is larger than the largest that is stable for the risk at the start.
    """
    check_positive("step", step)
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of at least 1; received {batch_size!r}")
    fresh, key = jax.random.split(key)
    if risk is None:
        risk = EmpiricalRisk(units, *sampler(fresh, _RECORDED), loss, decay)
    check_start(risk, neurons)
    at = _Fresh(units, sampler, batch_size, loss, decay)
    with risk.precision(neurons):
        size = jnp.asarray(step, neurons.positions.dtype)
        found = _sgd(risk, at, neurons, size, jnp.asarray(segments_of(steps)), key)
    if not is_traced(found.risks):
        _check_stochastic(risk, at, neurons, found, np.asarray(steps), size, key)
        warn_at_rest(found, 2)
    return found


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
    times, risks, dissipated = (np.asarray(v, np.float64) for v in (course.times, course.risks, course.dissipated))
    recorded = times[0] == 0
    if not recorded:
        with risk.precision(neurons):
            first = 0.0, float(_value(risk, neurons)), 0.0
        times, risks, dissipated = (np.append(a, b) for a, b in zip(first, (times, risks, dissipated), strict=True))
    lost, due = -np.diff(risks), np.diff(dissipated)
    noise = 1e3 * np.finfo(course.risks.dtype).eps * (1 + np.abs(risks[:-1]))
    diverged = ~np.isfinite(risks[1:]) | (-lost > due + noise)
    wasted = diverged | (lost < due / 2 - noise)
    if not wasted.any():
        return
    before = int(np.argmax(wasted))
    largest = largest_stable_step(risk, course.at(before - (not recorded)) if before or recorded else neurons)
    text = (
        f"step={float(step):g} is too large: between times {times[before]:g} and {times[before + 1]:g} the risk went from "
        f"{risks[before]:.4g} to {risks[before + 1]:.4g}, where the neurons' speeds account for a loss of {due[before]:.4g}. "
        f"The largest stable step at the first of these times is about {largest:.3g}"
    )
    if diverged.any():
        degree = risk.units.degree
        raise RuntimeError(
            text if degree is None or degree <= 2 else f"{text}; or neurons run away, {why_they_run(risk)}"
        )
    warnings.warn(text + "; the neurons jump to and fro, and do not follow the flow", RuntimeWarning, stacklevel=3)


@eqx.filter_jit
def _value(risk: Risk, neurons: Neurons) -> Array:
    return risk(neurons)


def _check_stochastic(
    risk: Risk, at: _Fresh, neurons: Neurons, course: Course, steps: np.ndarray, size: Array, key: PRNGKeyArray
) -> None:
    """Say where stochastic descent lost its neurons, and whether the mean of its steps is why the risk grew."""
    risks = np.asarray(course.risks, np.float64)
    finite = np.isfinite(risks) & np.isfinite(np.asarray(course.positions)).all((1, 2))
    grown = len(risks) > 1 and risks[-1] > risks[0]
    if finite.all() and not grown:
        return
    largest = largest_stable_step(risk, neurons)
    if finite.all():
        if size > largest:
            text = (
                f"step={size:g} is too large: the risk grew from {risks[0]:.4g} to {risks[-1]:.4g}. The largest stable "
            )
            warnings.warn(f"{text}step at the start is about {largest:.3g}", RuntimeWarning, stacklevel=3)
        return
    record = int(np.argmin(finite))
    before, first = (course.at(record - 1), steps[record - 1]) if record else (neurons, 0)
    if first == steps[record]:
        raise RuntimeError(
            f"the risk is {risks[record]} at the start, where {extent(neurons.positions, neurons.masses)}"
        )
    with risk.precision(neurons):
        count, positions = _until_lost(at, before, size, jnp.asarray([first, steps[record]]), key)
        for name, part in zip(("x", "y"), at.sampler(jax.random.fold_in(key, count), at.batch_size), strict=True):
            check_finite(f"at step {int(count)} of sgd, {name} of the sampler", part)
    raise RuntimeError(
        f"neurons run away at step {int(count)} of sgd, where {extent(positions, before.masses)}: step={size:g} is too large "
        f"(the largest stable one at the start is about {largest:.3g}, and noise asks for less), or they run, "
        f"{why_they_run(risk)}"
    )


@eqx.filter_jit
def _until_lost(
    at: Callable[[Any], Risk], neurons: Neurons, size: Array, ends: Array, key: PRNGKeyArray
) -> tuple[Array, Array]:
    """The first step between two after which a position is not finite, and the positions before it."""

    def after(index: Array, positions: Array) -> Array:
        return positions + size * at(jax.random.fold_in(key, index)).velocity(neurons.moved(positions))

    def goes_on(state: tuple[Array, Array]) -> Array:
        return (state[0] < ends[1] - 1) & jnp.isfinite(after(*state)).all()

    start = ends[0], jnp.asarray(neurons.positions)
    return jax.lax.while_loop(goes_on, lambda state: (state[0] + 1, after(*state)), start)


def observed(course: Course, function: Callable[[Neurons], Any]) -> Float[Array, "records ..."]:
    """A function of the neurons at every record."""
    return jax.vmap(lambda positions, masses: function(Neurons(positions, masses)))(course.positions, course.masses)
