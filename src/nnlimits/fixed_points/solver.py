"""What the solvers of this package share: batches of examples, their progress, and steps that are taken back."""

import abc
import math
from typing import Any, Generic, TypeVar

import equinox as eqx
import jax.numpy as jnp
import optimistix
from jaxtyping import Array, Bool, Float, Int

from nnlimits.fixed_points.progress import Progress, Tolerance, advanced, beginning, per_example

State = TypeVar("State", bound="SolverState")

_PATIENCE = 8


class SolverState(eqx.Module):
    """The state of a solver; others add their memory."""

    progress: Progress


class Trial(eqx.Module):
    """The last accepted point of each example, from which steps start, and how many steps from it were taken back."""

    point: Float[Array, "n d"]
    residual: Float[Array, "n d"]
    size: Float[Array, " n"]
    rejections: Int[Array, " n"]

    @property
    def shortening(self) -> Float[Array, "n 1"]:
        """Half for each step that was taken back."""
        return 0.5 ** self.rejections.astype(self.size.dtype)[:, None]

    def unless_stuck(self, following: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """The next point, but for examples of too many refusals that of plain iteration."""
        return jnp.where((self.rejections >= _PATIENCE)[:, None], self.point + self.residual, following)


class Judged(eqx.Module):
    """The outcome of one evaluation: the point to go on from, and the secant to the point evaluated (zero where unusable)."""

    trial: Trial
    step: Float[Array, "n d"]
    change: Float[Array, "n d"]


def no_trial(point: Float[Array, "n d"]) -> Trial:
    """The trial before the first evaluation."""
    n = point.shape[0]
    return Trial(point, jnp.zeros_like(point), jnp.full(n, jnp.inf, point.dtype), jnp.zeros(n, jnp.int32))


def judged(progress: Progress, trial: Trial, point: Float[Array, "n d"], residual: Float[Array, "n d"]) -> Judged:
    """Accept a point if its residual is no larger than that of the last accepted one; the first point is accepted.

    A point that is not accepted still tells a secant, and the next step from the last accepted one is half as long for each
    refusal. After eight of them the residual may have a local minimum there, which only a point with a larger one leaves: the
    next one, of plain iteration, is accepted.
    """
    first = progress.evaluations == 1
    finite = jnp.isfinite(progress.size)
    accepted = first | (finite & ((progress.size <= trial.size) | (trial.rejections >= _PATIENCE)))
    usable = per_example(finite & ~first, point)
    step = jnp.where(usable, point - trial.point, 0.0)
    change = jnp.where(usable, residual - trial.residual, 0.0)
    here = per_example(accepted, point)
    kept = Trial(
        jnp.where(here, point, trial.point),
        jnp.where(here, residual, trial.residual),
        jnp.where(accepted, progress.size, trial.size),
        jnp.where(accepted, 0, trial.rejections + 1),
    )
    return Judged(kept, step, change)


class BatchSolver(eqx.Module, Generic[State]):
    """The part of an optimistix solver that is the same for all: a subclass gives the first state and the next point."""

    rtol: eqx.AbstractVar[float]
    atol: eqx.AbstractVar[float]
    norm: eqx.AbstractVar[Any]

    @abc.abstractmethod
    def first_state(self, point: Float[Array, "n d"], progress: Progress) -> State:
        """The state at the start."""

    @abc.abstractmethod
    def next_point(
        self, point: Float[Array, "n d"], residual: Float[Array, "n d"], state: State, progress: Progress
    ) -> tuple[Float[Array, "n d"], State]:
        """Where to evaluate next, after `residual = f(point) - point`; `state` is that before, `progress` includes it."""

    @abc.abstractmethod
    def residual_of(self, point: Array, output: Array) -> Array:
        """`f(point) - point`, from the output of the function that is solved."""

    def init(self, fn: Any, y: Any, args: Any, options: Any, f_struct: Any, aux_struct: Any, tags: Any) -> State:
        """The state at the start.

        **Raises:** `ValueError` unless the unknown is one array with the examples along its first axis.
        """
        del fn, args, options, f_struct, aux_struct, tags
        if not eqx.is_array(y) or y.ndim < 1:
            raise ValueError(
                "the unknown must be one array with the examples along its first axis; received "
                f"{y!r}; for one equation, write y[None]"
            )
        return self.first_state(_flat(y), beginning(y.shape[0], y.dtype))

    def step(self, fn: Any, y: Any, args: Any, options: Any, state: State, tags: Any) -> tuple[Array, State, Any]:
        """One evaluation of all examples; those that are solved stay where they are."""
        del options, tags
        output, aux = fn(y, args)
        point = _flat(y)
        residual = self.residual_of(point, _flat(output))
        tolerance = Tolerance(self.rtol, self.atol, self.norm)
        progress = advanced(state.progress, point + residual, residual, tolerance)
        following, state = self.next_point(point, residual, state, progress)
        stays = per_example(progress.converged | progress.nonfinite, point)
        return jnp.where(stays, point, following).reshape(y.shape), state, aux

    def terminate(
        self, fn: Any, y: Any, args: Any, options: Any, state: State, tags: Any
    ) -> tuple[Bool[Array, ""], Any]:
        """Whether all examples are solved or one is lost."""
        del fn, y, args, options, tags
        lost = jnp.any(state.progress.nonfinite)
        results = optimistix.RESULTS
        return state.progress.finished, results.where(lost, results.nonfinite, results.successful)

    def postprocess(
        self, fn: Any, y: Any, aux: Any, args: Any, options: Any, state: State, tags: Any, result: Any
    ) -> tuple[Any, Any, dict[str, Any]]:
        """Nothing is left to do."""
        del fn, args, options, state, tags, result
        return y, aux, {}


def _flat(y: Array) -> Float[Array, "n d"]:
    return y.reshape(y.shape[0], math.prod(y.shape[1:]))  # not -1, which an empty batch leaves open
