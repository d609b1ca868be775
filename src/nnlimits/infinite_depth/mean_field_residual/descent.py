"""The gradient flow of the law over depth, by explicit steps."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from nnlimits.infinite_depth.mean_field_residual.course import ResidualCourse
from nnlimits.infinite_depth.mean_field_residual.law import ResidualLaw
from nnlimits.infinite_depth.mean_field_residual.risk import ResidualRisk, Velocity, check_risk
from nnlimits.infinite_depth.mean_field_residual.stability import largest_stable_step
from nnlimits.progress import Advance, ignore
from nnlimits.training.recording import segments_of
from nnlimits.validation import check_non_negative, check_positive

_GROWTH, _LEAST_LOSS = 1.25, 0.5
"""A step is refused that loses less than half of what is dissipated; after one that is not, the step grows."""
_MOST = 1e6
"""No step is longer: under a loss that vanishes at infinity, such as the logistic one, nothing else would keep it finite."""


class _Moving(NamedTuple):
    law: ResidualLaw
    risk: Array
    velocity: Velocity
    step: Array
    time: Array
    dissipated: Array
    refused: Array
    """Steps in a row."""


def residual_descent(
    risk: ResidualRisk,
    law: ResidualLaw,
    step: Any,
    steps: Sequence[Any] | np.ndarray,
    *,
    advance: Advance = ignore,
) -> ResidualCourse:
    """Gradient descent of all neurons, `theta_{l,m} - step grad_theta delta E / delta rho(theta_{l,m}, s_l)`.

    It follows the gradient flow of the law to first order in `step`. On the parameters of the finite network it is gradient
    descent at the rate `step L M` (Ding et al. 2022).

    **Arguments:** `risk`; `law`, where it starts; `step`, in the flow's unit of time; `steps`, ascending numbers of steps at
    which to record; `advance`, told of each record.

    **Returns:** a `ResidualCourse`.

    **Raises:** `TypeError` for other objects; `ValueError` for a step that is not positive, or steps that do not ascend;
    `RuntimeError` where the risk rises from one record to the next, or is no longer finite, with its time and the largest
    stable step.
    """
    check_risk(risk, law)
    check_positive("step", step)
    segments = segments_of(steps)
    with risk.precision(law):
        risk, law = risk.alike(law)
        state = _start(risk, law, jnp.asarray(step, law.particles.dtype))
        states = []
        for count, done in zip(segments, np.cumsum(segments), strict=True):
            before = state
            state = _plain(risk, state, jnp.asarray(count))
            _check_progress(risk, before, state, step)
            states.append((int(done), state))
            advance(f"step {done}, risk {float(state.risk):.3g}")
    return _course(states)


def residual_flow(
    risk: ResidualRisk,
    law: ResidualLaw,
    steps: Sequence[Any] | np.ndarray,
    *,
    step: float | None = None,
    until: float = 0.0,
    advance: Advance = ignore,
) -> ResidualCourse:
    """The gradient flow by descent whose risk falls at every step, and whose steps are as large as that allows.

    A step that loses less than half of what the flow would dissipate in its time is halved and done again, so that the risk never
    rises; after any other it grows by a quarter.

    **Arguments:** as `residual_descent`; `step`, the first, a tenth of the largest stable one if absent; `until`, a risk below
    which training ends at the next record.

    **Returns:** a `ResidualCourse`, whose times are those of the flow and differ from record to record.

    **Raises:** `TypeError` for other objects; `ValueError` for numbers out of range; `RuntimeError` where no step lowers the
    risk though the gradient is not zero to rounding, with its time.
    """
    check_risk(risk, law)
    segments = segments_of(steps)
    if step is None:
        step = min(largest_stable_step(risk, law) / 10, 1e3)
    check_positive("step", step)
    check_non_negative("until", until)
    with risk.precision(law):
        risk, law = risk.alike(law)
        state = _start(risk, law, jnp.asarray(step, law.particles.dtype))
        states = []
        for count, done in zip(segments, np.cumsum(segments), strict=True):
            state = _adaptive(risk, state, jnp.asarray(count))
            _check_finite(risk, state)
            states.append((int(done), state))
            advance(f"step {done}, risk {float(state.risk):.3g}")
            if float(state.risk) < until:
                break
    return _course(states)


def descended(risk: ResidualRisk, law: ResidualLaw, step: Array, count: Any) -> ResidualLaw:
    """The law after `count` steps of descent of its neurons, its ends fixed; pure, and unchecked."""
    risk, law = risk.alike(law)

    def once(_: Any, particles: Array) -> Array:
        return particles + step * risk.velocity(law.moved(particles))[1].particles

    return law.moved(jax.lax.fori_loop(0, count, once, law.particles))


@eqx.filter_jit
def _start(risk: ResidualRisk, law: ResidualLaw, step: Array) -> _Moving:
    value, velocity = risk.velocity(law)
    zero = jnp.zeros((), value.dtype)
    return _Moving(law, value, velocity, step, zero, zero, jnp.zeros((), int))


@eqx.filter_jit
def _plain(risk: ResidualRisk, start: _Moving, count: Array) -> _Moving:
    def step(_: Any, state: _Moving) -> _Moving:
        return _ahead(risk, state)

    return jax.lax.fori_loop(0, count, step, start)


@eqx.filter_jit
def _adaptive(risk: ResidualRisk, start: _Moving, count: Array) -> _Moving:
    def step(_: Any, state: _Moving) -> _Moving:
        ahead = _ahead(risk, state)
        due = state.step * state.velocity.dissipation
        noise = 8 * jnp.finfo(state.risk.dtype).eps * state.risk
        fell = state.risk - ahead.risk >= jnp.maximum(_LEAST_LOSS * due - noise, 0.0)
        taken = ahead._replace(step=jnp.minimum(_GROWTH * state.step, _MOST), refused=jnp.zeros_like(state.refused))
        kept = state._replace(step=state.step / 2, refused=state.refused + 1)
        return jax.tree.map(lambda a, b: jnp.where(fell, a, b), taken, kept)

    return jax.lax.fori_loop(0, count, step, start)


def _ahead(risk: ResidualRisk, state: _Moving) -> _Moving:
    velocity, law = state.velocity, state.law
    parts = zip(
        (law.particles, law.encoder, law.readout), (velocity.particles, velocity.encoder, velocity.readout), strict=True
    )
    law = law.moved(*(part + state.step * slope for part, slope in parts))
    value, ahead = risk.velocity(law)
    time, dissipated = state.time + state.step, state.dissipated + state.step * velocity.dissipation
    return _Moving(law, value, ahead, state.step, time, dissipated, state.refused)


def _check_progress(risk: ResidualRisk, before: _Moving, after: _Moving, step: Any) -> None:
    first, last = float(before.risk), float(after.risk)
    if np.isfinite(last) and last <= first * (1 + 1e-4):
        return
    largest = largest_stable_step(risk, before.law)
    raise RuntimeError(
        f"step={float(step):g} is too large: between times {float(before.time):g} and {float(after.time):g} the risk went from "
        f"{first:.4g} to {last:.4g}. The largest stable step at the first of these times is about {largest:.3g}; "
        "residual_flow finds steps by itself"
    )


def _check_finite(risk: ResidualRisk, state: _Moving) -> None:
    if not np.isfinite(float(state.risk)):
        raise RuntimeError(
            f"the risk is {float(state.risk)} at time {float(state.time):g}; give smaller neurons at the start"
        )
    lowest = 1e3 * float(jnp.finfo(state.risk.dtype).eps)
    if int(state.refused) > 60 and float(state.velocity.dissipation) > lowest * max(float(state.risk), lowest):
        raise RuntimeError(
            f"no step lowers the risk of {float(state.risk):.4g} at time {float(state.time):g}, where its gradient has the "
            f"squared norm {float(state.velocity.dissipation):.3g}: give a smooth activation, or double precision"
        )


def _course(states: list[tuple[int, _Moving]]) -> ResidualCourse:
    def column(name: str) -> np.ndarray:
        return np.asarray([float(getattr(state, name)) for _, state in states])

    laws = tuple(jax.tree.map(np.asarray, state.law) for _, state in states)
    return ResidualCourse(
        column("time"), np.asarray([done for done, _ in states]), column("risk"), column("dissipated"), laws
    )
