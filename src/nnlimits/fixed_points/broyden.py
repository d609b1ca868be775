"""Broyden's method with limited memory."""

from typing import Any

import jax.numpy as jnp
import optimistix
from jax import lax
from jaxtyping import Array, Float

from nnlimits.fixed_points.progress import ExampleNorm, Progress
from nnlimits.fixed_points.solver import BatchSolver, SolverState, Trial, judged, no_trial


class BroydenState(SolverState):
    """Of each example the approximate inverse `-I + left^T right` of the Jacobian, as rows in a ring."""

    trial: Trial
    left: Float[Array, "n m d"]
    right: Float[Array, "n m d"]


class Broyden(BatchSolver[BroydenState], optimistix.AbstractRootFinder):
    """Broyden's (first, good) method (Broyden 1965) for the roots of `F(z) = f(z) - z`, for each example by itself.

    The inverse of the Jacobian starts as -I, that of a constant f, so that the first step is one of plain iteration; each
    evaluation adds a term of rank one, `H <- H + (s - H y) s^T H / (s^T H y)` for a step s and the change y of F along it. After
    `memory` terms H starts as -I again.

    A point with a larger residual is taken back: the next step starts from the last accepted point again, with H corrected by the
    secant to the refused one, and is halved as often as points were refused there.

    **Arguments:** an example is solved where `norm(F(z)) <= atol + rtol norm(z + F(z))`; `norm`, of one example; `memory`, the
    number of terms; `least_cosine`: a secant whose `s^T H y` is below this part of `|s| |H y|` is left out,
    as its term would be unbounded.
    """

    rtol: float
    atol: float
    norm: ExampleNorm = optimistix.two_norm
    memory: int = 50
    least_cosine: float = 1e-3

    def first_state(self, point: Float[Array, "n d"], progress: Progress) -> BroydenState:
        """The state at the start."""
        n, d = point.shape
        rows = jnp.zeros((n, self.memory, d), point.dtype)
        return BroydenState(progress, no_trial(point), rows, rows)

    def next_point(
        self, point: Float[Array, "n d"], residual: Float[Array, "n d"], state: BroydenState, progress: Progress
    ) -> tuple[Float[Array, "n d"], BroydenState]:
        """The next point of each example."""
        now = judged(progress, state.trial, point, residual)
        slot = progress.evaluations % self.memory
        left = jnp.where(slot == 0, 0.0, state.left)
        right = jnp.where(slot == 0, 0.0, state.right)
        image = _applied(left, right, now.change)
        curvature = jnp.sum(now.step * image, 1, keepdims=True)
        sizes = jnp.sum(now.step**2, 1, keepdims=True) * jnp.sum(image**2, 1, keepdims=True)
        usable = curvature**2 > self.least_cosine**2 * sizes
        row = jnp.where(usable, (now.step - image) / jnp.where(usable, curvature, 1.0), 0.0)
        left = lax.dynamic_update_index_in_dim(left, row[:, None], slot, 1)
        column = _applied(right, left, now.step)  # the term of this slot has no right part yet
        right = lax.dynamic_update_index_in_dim(right, column[:, None], slot, 1)
        following = now.trial.point - now.trial.shortening * _applied(left, right, now.trial.residual)
        return now.trial.unless_stuck(following), BroydenState(progress, now.trial, left, right)

    def residual_of(self, point: Array, output: Array) -> Any:
        """`f(point) - point`."""
        del point
        return output


def _applied(
    left: Float[Array, "n m d"], right: Float[Array, "n m d"], vectors: Float[Array, "n d"]
) -> Float[Array, "n d"]:
    """`(-I + left^T right) v` for each example."""
    return jnp.einsum("nm,nmd->nd", jnp.einsum("nmd,nd->nm", right, vectors), left) - vectors
