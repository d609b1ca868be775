"""Discrete training as one compiled loop that records at the steps asked for."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from nnlimits.training.problem import Problem, Trajectory


def record(
    step: Callable[[Any, Any], Any], start: PyTree, segments: Int[Array, " records"], observe: Callable[[Any], Any]
) -> PyTree:
    """What `observe` sees of the state after each segment of steps, along a first axis.

    **Arguments:** `step`, from a state and the number of steps before it to the next state; `segments`, as of `segments_of`.
    """

    def advance(carry: tuple[PyTree, Array], count: Array) -> tuple[tuple[PyTree, Array], PyTree]:
        state, done = carry
        state = jax.lax.fori_loop(0, count, lambda i, current: step(current, done + i), state)
        return (state, done + count), observe(state)

    return jax.lax.scan(advance, (start, jnp.zeros((), segments.dtype)), segments)[1]


def recorded(
    problem: Problem,
    step: Callable[[Any, Any], Any],
    start: PyTree,
    segments: Int[Array, " records"],
    learning_rate: Any,
    observe: Callable[[PyTree], PyTree],
    params_of: Callable[[Any], PyTree],
) -> Trajectory:
    """A `Trajectory` of a method whose state holds the parameters `params_of(state)`."""

    def seen(state: Any) -> tuple[Array, PyTree]:
        params = params_of(state)
        return problem.value(params), observe(params)

    losses, observed = record(step, start, segments, seen)
    times = jnp.asarray(learning_rate, losses.dtype) * jnp.cumsum(segments)
    return Trajectory(times, losses, observed)


def segments_of(steps: Sequence[Any] | np.ndarray) -> np.ndarray:
    """The numbers of steps between one record and the next.

    **Raises:** `ValueError` for steps that are not whole numbers, do not ascend, or are negative.
    """
    counts = np.asarray(steps)
    if counts.ndim != 1 or counts.size == 0 or counts.dtype.kind not in "iu":
        raise ValueError(f"steps must be a sequence of whole numbers; received {steps!r}")
    segments = np.diff(counts, prepend=0)
    if (segments < 0).any():
        raise ValueError(f"steps must ascend from 0 or more; received {steps!r}")
    return segments.astype(np.int32)
