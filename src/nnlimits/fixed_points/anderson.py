"""Anderson acceleration."""

from typing import Any

import jax.numpy as jnp
import optimistix
from jax import lax
from jaxtyping import Array, Float

from nnlimits.fixed_points.least_squares import coefficients
from nnlimits.fixed_points.progress import ExampleNorm, Progress
from nnlimits.fixed_points.solver import BatchSolver, SolverState, Trial, judged, no_trial


class AndersonState(SolverState):
    """Of each example the last secants, in a ring: steps, changes of the residual, and the products of the changes."""

    trial: Trial
    steps: Float[Array, "n m d"]
    changes: Float[Array, "n m d"]
    gram: Float[Array, "n m m"]


class Anderson(BatchSolver[AndersonState], optimistix.AbstractFixedPointSolver):
    """Anderson acceleration, type II (Anderson 1965; Walker & Ni 2011, equation 4.1), for each example by itself.

    With `r = f(z) - z`, and the last m steps S and changes C of r as columns, `z <- z + beta r - (S + beta C) c`, where c is the
    least-squares solution of `C c = r`. On linear equations it is GMRES, if the memory is long enough (the same reference,
    theorem 2.2).

    A point with a larger residual is taken back: the next step starts from the last accepted point again, with the secant to the
    refused one among its columns, and beta halved as often as points were refused there.

    **Arguments:** an example is solved where `norm(f(z) - z) <= atol + rtol norm(f(z))`; `norm`, of one example; `memory`, the
    number of secants m; `mixing`, beta; `regularization` of the least-squares problem whose columns have length one, `None` for
    ten times the rounding of the dtype.
    """

    rtol: float
    atol: float
    norm: ExampleNorm = optimistix.two_norm
    memory: int = 5
    mixing: float = 1.0
    regularization: float | None = None

    def first_state(self, point: Float[Array, "n d"], progress: Progress) -> AndersonState:
        """The state at the start."""
        n, d = point.shape
        columns = jnp.zeros((n, self.memory, d), point.dtype)
        gram = jnp.zeros((n, self.memory, self.memory), point.dtype)
        return AndersonState(progress, no_trial(point), columns, columns, gram)

    def next_point(
        self, point: Float[Array, "n d"], residual: Float[Array, "n d"], state: AndersonState, progress: Progress
    ) -> tuple[Float[Array, "n d"], AndersonState]:
        """The next point of each example."""
        now = judged(progress, state.trial, point, residual)
        slot = progress.evaluations % self.memory
        steps = lax.dynamic_update_index_in_dim(state.steps, now.step[:, None], slot, 1)
        changes = lax.dynamic_update_index_in_dim(state.changes, now.change[:, None], slot, 1)
        row = jnp.einsum("nmd,nd->nm", changes, now.change)
        gram = lax.dynamic_update_index_in_dim(state.gram, row[:, None], slot, 1)
        gram = lax.dynamic_update_index_in_dim(gram, row[:, :, None], slot, 2)
        products = jnp.einsum("nmd,nd->nm", changes, now.trial.residual)
        rounding = 10 * float(jnp.finfo(point.dtype).eps)
        c = coefficients(gram, products, rounding if self.regularization is None else self.regularization)
        beta = self.mixing * now.trial.shortening
        left = now.trial.residual - jnp.einsum("nm,nmd->nd", c, changes)
        following = now.trial.point - jnp.einsum("nm,nmd->nd", c, steps) + beta * left
        return now.trial.unless_stuck(following), AndersonState(progress, now.trial, steps, changes, gram)

    def residual_of(self, point: Array, output: Array) -> Any:
        """`f(point) - point`."""
        return output - point
