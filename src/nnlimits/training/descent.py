"""Full-batch gradient descent, with and without heavy-ball momentum, on any problem."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from nnlimits.predict.learning_rate import check_momentum
from nnlimits.training.problem import Problem, Trajectory, parameters
from nnlimits.training.recording import recorded, segments_of
from nnlimits.validation import check_positive

Observe = Callable[[PyTree], PyTree]


def descent(
    problem: Problem, learning_rate: Any, steps: Sequence[Any] | np.ndarray, *, observe: Observe = parameters
) -> Trajectory:
    """Gradient descent, `params - learning_rate grad L`.

    It follows `flow` at the times `learning_rate * steps` to first order in the rate, and `modified_flow` to second order.

    **Arguments:** `problem`; `learning_rate`, positive; `steps`, ascending numbers of steps at which to record;
    `observe`, a function of the parameters, recorded besides the loss.

    **Returns:** a `Trajectory` with the times `learning_rate * steps`; diverging training shows as infinities or NaN.

    **Raises:** `ValueError` for a learning rate that is not positive, or steps that do not ascend.
    """
    return momentum(problem, learning_rate, steps, momentum=0.0, observe=observe)


def momentum(
    problem: Problem,
    learning_rate: Any,
    steps: Sequence[Any] | np.ndarray,
    *,
    momentum: Any = 0.9,
    observe: Observe = parameters,
) -> Trajectory:
    """Heavy-ball momentum (Polyak 1964): `velocity' = momentum velocity - learning_rate grad L`, `params' = params +
    velocity'`, from rest.

    At fixed momentum m and small rates it follows `flow` at the times `learning_rate * steps / (1 - m)`, to first order in
    the rate; `inertial_flow` is its limit for momenta that approach 1 with the rate.

    **Arguments:** as of `descent`, and `momentum` in `[0, 1)`.

    **Raises:** `ValueError` as `descent`, and for momentum outside of `[0, 1)`.
    """
    check_positive("learning_rate", learning_rate)
    check_momentum(momentum)
    with problem.precision():
        rate, mass = problem.scalar(learning_rate), problem.scalar(momentum)
        return _momentum(problem, rate, mass, jnp.asarray(segments_of(steps)), observe)


@eqx.filter_jit
def _momentum(problem: Problem, rate: Array, mass: Array, segments: Array, observe: Observe) -> Trajectory:
    gradient = jax.grad(problem.value)

    def step(state: tuple[PyTree, PyTree], _: Array) -> tuple[PyTree, PyTree]:
        params, velocity = state
        velocity = jax.tree.map(lambda v, g: (mass * v - rate * g).astype(v.dtype), velocity, gradient(params))
        return jax.tree.map(jnp.add, params, velocity), velocity

    start = problem.params, jax.tree.map(jnp.zeros_like, problem.params)
    return recorded(problem, step, start, segments, rate, observe, lambda state: state[0])
