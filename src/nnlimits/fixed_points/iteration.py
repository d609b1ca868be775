"""Plain iteration."""

from typing import Any

import optimistix
from jaxtyping import Array, Float

from nnlimits.fixed_points.progress import ExampleNorm, Progress
from nnlimits.fixed_points.solver import BatchSolver, SolverState


class Iteration(BatchSolver[SolverState], optimistix.AbstractFixedPointSolver):
    """`z <- z + mixing (f(z) - z)` for each example until it is solved.

    It is `optimistix.FixedPointIteration` with each example judged by itself. It converges where f is a contraction, the error
    shrinking by the factor of the contraction.

    **Arguments:** an example is solved where `norm(f(z) - z) <= atol + rtol norm(f(z))`; `norm`, of one example; `mixing`, in
    (0, 1], 1 for plain iteration.
    """

    rtol: float
    atol: float
    norm: ExampleNorm = optimistix.two_norm
    mixing: float = 1.0

    def first_state(self, point: Float[Array, "n d"], progress: Progress) -> SolverState:
        """The state at the start."""
        del point
        return SolverState(progress)

    def next_point(
        self, point: Float[Array, "n d"], residual: Float[Array, "n d"], state: SolverState, progress: Progress
    ) -> tuple[Float[Array, "n d"], SolverState]:
        """The next point of each example."""
        return point + self.mixing * residual, SolverState(progress)

    def residual_of(self, point: Array, output: Array) -> Any:
        """`f(point) - point`."""
        return output - point
