"""The Wasserstein gradient flow of a risk, by particles and an adaptive solver."""

from collections.abc import Callable, Sequence
from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from nnlimits.mean_field.course import Course
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


def flow(risk: Risk, neurons: Neurons, times: Times, *, tolerance: float = 1e-6, solver: Any = None) -> Course:
    """The flow `d theta_i / dt = -grad V(theta_i; rho)` of all neurons.

    In the limit of many it solves `d rho / dt = div(rho grad V(theta; rho))`, the gradient flow of the risk in the Wasserstein
    distance (Mei, Montanari & Nguyen 2018, equation 6; Chizat & Bach 2018, definition 2.2).

    **Arguments:** `risk`; `neurons`, where they start; `times`, ascending from 0 or later, at which to record; `tolerance`,
    relative and absolute, of each step; `solver`, of diffrax, `Tsit5` if absent.

    **Returns:** a `Course`, in the precision of the neurons; its `energy_gap` says how well the flow was followed.

    **Raises:** `ValueError` for times that are negative or do not ascend; `RuntimeError` if the solver gives up.

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
    risk.check(neurons)
    moments, _ = check_times(jnp.asarray(times) if is_traced(times) else np.asarray(times))
    if not is_traced(moments) and (np.isinf(moments).any() or (np.diff(moments) < 0).any()):
        raise ValueError(f"times must be finite and ascend; received {times!r}")
    check_positive("tolerance", tolerance)
    with risk.precision(neurons):
        dtype = neurons.positions.dtype
        accuracy = jnp.asarray(max(float(tolerance), _ROUNDING * float(jnp.finfo(dtype).eps)), dtype)
        found, solved = _followed(risk, neurons, jnp.asarray(moments, dtype), slope, accuracy, solver)
    if not is_traced(solved) and not solved:
        raise RuntimeError(
            f"the solver did not reach time {times[-1]} in {_MAX_STEPS} steps or met infinities: neurons run away, as those of "
            "homogeneous activations can, or the flow is stiff; give earlier times, a larger tolerance, decay, or a solver such "
            "as diffrax.Kvaerno5()"
        )
    return found


@eqx.filter_jit
def _followed(
    risk: Risk, neurons: Neurons, times: Array, slope: Callable[..., State], accuracy: Array, solver: Any
) -> tuple[Course, Array]:
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
        saveat=diffrax.SaveAt(ts=times, fn=seen),
        stepsize_controller=diffrax.PIDController(rtol=accuracy, atol=accuracy),
        max_steps=_MAX_STEPS,
        adjoint=diffrax.ForwardMode(),
        throw=False,
    )
    risks, (positions, masses, dissipated) = solution.ys  # pyright: ignore[reportGeneralTypeIssues]
    reached = solution.result == diffrax.RESULTS.successful
    return Course(times, risks, positions, masses, dissipated), reached
