"""The Wasserstein gradient flow of a risk, by particles and an adaptive solver."""

from collections.abc import Callable, Sequence
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from nnlimits.mean_field.course import Course
from nnlimits.mean_field.failures import check_start, extent, warn_at_rest, why_they_run
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk
from nnlimits.predict.times import check_times
from nnlimits.validation import check_positive, is_traced

Times = Sequence[Any] | np.ndarray | Array
State = tuple[Array, Array, Array]
"""Positions, masses, and what has been dissipated."""

_MAX_STEPS = 1_000_000
_ROUNDING = 1e3
"""Tolerances below so many roundings are raised to that: 1e-4 in single precision."""
_RUNAWAY = 100.0
"""Neurons that were so much smaller at the start run away, where a flow cannot go on."""


def flow(risk: Risk, neurons: Neurons, times: Times, *, tolerance: float = 1e-6, solver: Any = None) -> Course:
    """The flow `d theta_i / dt = -grad V(theta_i; rho)` of all neurons.

    In the limit of many it solves `d rho / dt = div(rho grad V(theta; rho))`, the gradient flow of the risk in the Wasserstein
    distance (Mei, Montanari & Nguyen 2018, equation 6; Chizat & Bach 2018, definition 2.2).

    **Arguments:** `risk`; `neurons`, where they start; `times`, ascending from 0 or later, at which to record; `tolerance`,
    relative and absolute, of each step; `solver`, of diffrax, `Tsit5` if absent.

    **Returns:** a `Course`, in the precision of the neurons; its `energy_gap` says how well the flow was followed.

    **Raises:** `ValueError` for times that are negative or do not ascend; `RuntimeError` where neurons run away,
    with the time at which they do, or the flow is too stiff for the solver; a `RuntimeWarning` if no neuron moves at all.

    **Example:** `mean_field.flow(risk, mean_field.Sphere(11).sample(key, 512), times=[0, 1, 10, 100]).risks`
    """
    return followed(risk, neurons, times, _downhill, tolerance, solver)


def _downhill(risk: Risk, state: State) -> State:
    """At the level of the module, so that a second flow is not compiled again."""
    positions, masses, _ = state
    velocity = risk.velocity(Neurons(positions, masses))
    return velocity, jnp.zeros_like(masses), masses @ jnp.square(velocity).sum(-1)


def followed(
    risk: Risk, neurons: Neurons, times: Times, slope: Callable[..., State], tolerance: float, solver: Any
) -> Course:
    """Positions, masses and dissipation along `d state / dt = slope(risk, state)`."""
    check_start(risk, neurons)
    moments, _ = check_times(jnp.asarray(times) if is_traced(times) else np.asarray(times))
    if not is_traced(moments) and (np.isinf(moments).any() or (np.diff(moments) < 0).any()):
        raise ValueError(f"times must be finite and ascend; received {times!r}")
    check_positive("tolerance", tolerance)
    with risk.precision(neurons):
        dtype = neurons.positions.dtype
        accuracy = jnp.asarray(max(float(tolerance), _ROUNDING * float(jnp.finfo(dtype).eps)), dtype)
        found, solved, last = _followed(risk, neurons, jnp.asarray(moments, dtype), slope, accuracy, solver)
    if not is_traced(solved):
        if not solved:
            raise RuntimeError(_gave_up(risk, neurons, float(moments[-1]), last))
        warn_at_rest(found, 3)
    return found


def _gave_up(risk: Risk, neurons: Neurons, end: float, last: tuple[Array, State]) -> str:
    """Whether neurons ran away, or the solver's steps were too many."""
    time, positions, masses = np.asarray(last[0]), np.asarray(last[1][0]), np.asarray(last[1][1])
    sizes = f"there {extent(positions, masses)}, at the start {extent(neurons.positions, neurons.masses)}"
    first = np.max(np.abs(np.asarray(neurons.positions))) + np.sum(np.asarray(neurons.masses))
    if not np.max(np.abs(positions)) + np.sum(masses) < _RUNAWAY * first:
        return f"neurons run away at time {float(time):.6g}, before {end:g}, {why_they_run(risk)} ({sizes})"
    return (
        f"the solver came to time {float(time):.6g} of {end:g} in {_MAX_STEPS} steps: the flow is stiff; give earlier times, a "
        f"larger tolerance, or a solver such as diffrax.Kvaerno5() ({sizes})"
    )


@eqx.filter_jit
def _followed(
    risk: Risk, neurons: Neurons, times: Array, slope: Callable[..., State], accuracy: Array, solver: Any
) -> tuple[Course, Array, tuple[Array, State]]:
    start = jnp.asarray(neurons.positions), jnp.asarray(neurons.masses), jnp.zeros((), times.dtype)

    def seen(_: Any, state: State, __: Any) -> tuple[Array, State]:
        return risk(Neurons(*state[:2])), state

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda _, state, risk: slope(risk, state)),
        diffrax.Tsit5() if solver is None else solver,
        t0=jnp.zeros((), times.dtype),
        t1=times[-1],
        dt0=None,
        y0=start,
        args=risk,
        saveat=diffrax.SaveAt(subs=[diffrax.SubSaveAt(ts=times, fn=seen), diffrax.SubSaveAt(t1=True)]),
        stepsize_controller=_Ending(rtol=accuracy, atol=accuracy, dtmin=_least(times), force_dtmin=False),
        max_steps=_MAX_STEPS,
        adjoint=diffrax.ForwardMode(),
        throw=False,
    )
    (risks, (positions, masses, dissipated)), last = solution.ys  # pyright: ignore[reportGeneralTypeIssues]
    reached = solution.result == diffrax.RESULTS.successful
    time, state = jax.tree.map(lambda leaf: leaf[-1], (solution.ts[1], last))  # pyright: ignore[reportOptionalSubscript]
    return Course(times, risks, positions, masses, dissipated), reached, (time, state)


class _Ending(diffrax.PIDController):
    """Ends where a step is refused that the precision of time cannot shorten, as at the time of an explosion."""

    def adapt_step_size(self, t0: Any, t1: Any, *arguments: Any) -> Any:
        keep, start, end, jump, state, result = super().adapt_step_size(t0, t1, *arguments)
        stuck = ~keep & (end >= t1)
        return keep, start, end, jump, state, diffrax.RESULTS.where(stuck, diffrax.RESULTS.dt_min_reached, result)


def _least(times: Array) -> Array:
    """A step that no flow needs but one that ends in infinity, which the solver would approach by ever smaller ones."""
    return jnp.finfo(times.dtype).eps ** 2 * times[-1]
