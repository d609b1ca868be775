"""The fixed points of a batch of equations, with the derivative of the implicit function."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optimistix
from jax import lax
from jaxtyping import Array, Bool, Float, Int, PyTree

from nnlimits.fixed_points.conjugate_residuals import ConjugateResiduals


class FixedPoints(NamedTuple):
    """Fixed points, and how they were found.

    `evaluations`: how often the function was evaluated for the whole batch; of each example: `steps`, the evaluations until it
    was solved (or in all), `residual`, `|f(z) - z| / |f(z)|` at its solution (or the least reached), `ratio`, by which the last
    evaluation changed `|f(z) - z|`, `converged`, and `nonfinite`, whether f was NaN or infinite at the start or where plain
    iteration led.
    """

    value: Float[Array, "n ..."]
    evaluations: Int[Array, ""]
    steps: Int[Array, " n"]
    residual: Float[Array, " n"]
    ratio: Float[Array, " n"]
    converged: Bool[Array, " n"]
    nonfinite: Bool[Array, " n"]


def fixed_points(
    function: Callable[[Array, Any], Array],
    solver: Any,
    start: Float[Array, "n ..."],
    args: PyTree,
    *,
    max_steps: int,
    adjoint: optimistix.AbstractAdjoint,
) -> FixedPoints:
    """The z with `z = function(z, args)`, each example of the first axis an equation of its own.

    Derivatives with respect to `args`, and to arrays in `function`, are those of `adjoint`: `implicit(...)`, by the implicit
    function theorem whatever path the solver took, or `optimistix.RecursiveCheckpointAdjoint()`, through the steps of the solver.
    Nothing is raised if an example is not solved: the result says so.

    **Arguments:** `function`, which treats the examples independently; `solver`, one of this package; `start`; `args`, its second
    argument; `max_steps`, the most evaluations.
    """
    solution = optimistix.fixed_point(function, solver, start, args, max_steps=max_steps, adjoint=adjoint, throw=False)
    progress = jax.tree.map(lax.stop_gradient, solution.state.progress)
    return FixedPoints(
        solution.value,
        progress.evaluations,
        progress.steps,
        progress.relative,
        progress.ratio,
        progress.converged,
        progress.nonfinite,
    )


def implicit(tolerance: float, failure: str) -> optimistix.ImplicitAdjoint:
    """Derivatives by the implicit function theorem: `dz = (I - df/dz)^-1 df/dargs dargs`, one linear system an example.

    It is solved to the relative residual `tolerance` without forming a matrix, transposed for reverse mode. If it is not, an
    error with the message `failure` is raised.

    The default of `optimistix.ImplicitAdjoint` writes the Jacobian of the whole batch out as one matrix, and its GMRES
    takes the batch for one system, whose accuracy is that of the examples together.
    """
    return optimistix.ImplicitAdjoint(linear_solver=ConjugateResiduals(tolerance, failure=failure))


def default_tolerance(dtype: Any) -> float:
    """The relative residual that a solution has by default: `eps^(2/3)`, 2.4e-5 in float32 and 3.7e-11 in float64."""
    return float(jnp.finfo(dtype).eps) ** (2 / 3)
