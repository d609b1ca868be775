"""Linear equations of a batch, one equation an example, by products with the matrix alone."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import lineax
from jax import lax
from jaxtyping import Array, Bool, Float, Int


class _Cycle(eqx.Module):
    """A Krylov space that grows, of each example: directions, their orthonormal images, and the solution in their span."""

    solution: Float[Array, "n d"]
    residual: Float[Array, "n d"]
    directions: Float[Array, "n m d"]
    images: Float[Array, "n m d"]
    size: Float[Array, " n"]
    reduced: Bool[Array, " n"]
    step: Int[Array, ""]


class ConjugateResiduals(lineax.AbstractLinearSolver):
    """The generalized minimal residual method for block-diagonal operators on arrays whose first axis counts the blocks.

    Each example is an equation of its own: its residual is minimized over its own Krylov space, and it is judged by itself. The
    images of the directions are kept orthonormal, so that solution and residual are updated at every step and no triangular
    system is left at the end. The next direction is the residual where the last step reduced it, and the last image where it
    stalled, which keeps the directions well-conditioned in both cases (adaptive simpler GMRES; Jiranek & Rozloznik 2010,
    section 3). After `restart` steps the true residual is computed, and a new space begins unless all examples are solved.

    **Arguments:** an example is solved where `|b - A x| <= atol + rtol |b|`, in the Euclidean norm; `restart`, the dimension of
    the space; `max_steps`, the products with A, but for one a cycle; `failure`, the message of the error that an unsolved system
    raises.
    """

    rtol: float
    atol: float = 0.0
    restart: int = 30
    max_steps: int = 300
    failure: str = eqx.field(default="the linear system was not solved", static=True)

    def init(self, operator: lineax.AbstractLinearOperator, options: dict[str, Any]) -> lineax.AbstractLinearOperator:
        """The operator, linearized once.

        **Raises:** `ValueError` unless it maps one array to one of the same shape, with the examples along the first axis.
        """
        del options
        structure = operator.in_structure()
        if not hasattr(structure, "shape") or structure.shape != operator.out_structure().shape or not structure.shape:
            raise ValueError(
                "the operator must map one array, with the examples along its first axis, to one of the same shape; it maps "
                f"{structure} to {operator.out_structure()}"
            )
        return lineax.linearise(operator)

    def compute(
        self, state: lineax.AbstractLinearOperator, vector: Array, options: dict[str, Any]
    ) -> tuple[Array, Any, dict[str, Any]]:
        """The solution, lineax's verdict, and the number of products with the matrix."""
        del options
        n = vector.shape[0]
        right = vector.reshape(n, math.prod(vector.shape[1:]))

        def product(directions: Array) -> Array:
            return state.mv(directions.reshape(vector.shape)).reshape(right.shape)

        target = self.atol + self.rtol * jnp.linalg.norm(right, axis=1)

        def unsolved(carry: tuple[Array, Array, Array, Array]) -> Array:
            _, residual, steps, stalled = carry
            return jnp.any(jnp.linalg.norm(residual, axis=1) > target) & (steps < self.max_steps) & ~stalled

        def cycle(carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
            solution, residual, steps, _ = carry
            grown = self._cycle(product, residual, target)
            solution = solution + grown.solution
            left = right - product(solution)
            stalled = jnp.all(_unreduced(left, residual, target))
            return solution, left, steps + grown.step, stalled

        start = jnp.zeros_like(right), right, jnp.zeros((), jnp.int32), jnp.zeros((), bool)
        solution, residual, steps, _ = lax.while_loop(unsolved, cycle, start)
        solved = jnp.all(jnp.linalg.norm(residual, axis=1) <= target)
        solution = eqx.error_if(solution, ~solved, self.failure)
        statistics = {"num_steps": steps, "max_steps": self.max_steps}
        return solution.reshape(vector.shape), lineax.RESULTS.successful, statistics

    def _cycle(self, product: Any, residual: Float[Array, "n d"], target: Float[Array, " n"]) -> _Cycle:
        n, d = residual.shape
        rows = jnp.zeros((n, self.restart, d), residual.dtype)
        size = jnp.linalg.norm(residual, axis=1)
        start = _Cycle(
            jnp.zeros_like(residual), residual, rows, rows, size, jnp.ones(n, bool), jnp.zeros((), jnp.int32)
        )

        def growing(cycle: _Cycle) -> Array:
            return (cycle.step < self.restart) & jnp.any(cycle.size > target)

        return lax.while_loop(growing, lambda cycle: _grown(product, cycle, target), start)

    def transpose(self, state: lineax.AbstractLinearOperator, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The state of the transposed equation."""
        return state.transpose(), options

    def conj(self, state: lineax.AbstractLinearOperator, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The state of the conjugated equation."""
        return lineax.conj(state), options

    def assume_full_rank(self) -> bool:
        """The matrix has to be invertible."""
        return True


def _grown(product: Any, cycle: _Cycle, target: Float[Array, " n"]) -> _Cycle:
    """One more direction for each example."""
    before = jnp.maximum(cycle.step - 1, 0)
    last = lax.dynamic_index_in_dim(cycle.images, before, 1, keepdims=False)
    direction = jnp.where(cycle.reduced[:, None], _unit(cycle.residual)[0], last)
    image = product(direction)
    length = jnp.linalg.norm(image, axis=1, keepdims=True)
    for _ in range(2):  # a second projection restores what rounding took of the orthogonality
        overlaps = jnp.einsum("nmd,nd->nm", cycle.images, image)
        image = image - jnp.einsum("nm,nmd->nd", overlaps, cycle.images)
        direction = direction - jnp.einsum("nm,nmd->nd", overlaps, cycle.directions)
    image, size = _unit(image)
    exhausted = (
        size <= 10 * jnp.finfo(size.dtype).eps * length
    )  # the space contains the solution, or as much as it ever will
    image = jnp.where(exhausted, 0.0, image)
    direction = jnp.where(exhausted, 0.0, direction / jnp.where(exhausted, 1.0, size))
    along = jnp.sum(cycle.residual * image, 1, keepdims=True)
    along = jnp.where((cycle.size > target)[:, None], along, 0.0)
    residual = cycle.residual - along * image
    size = jnp.linalg.norm(residual, axis=1)
    return _Cycle(
        cycle.solution + along * direction,
        residual,
        lax.dynamic_update_index_in_dim(cycle.directions, direction[:, None], cycle.step, 1),
        lax.dynamic_update_index_in_dim(cycle.images, image[:, None], cycle.step, 1),
        size,
        size < 0.9 * cycle.size,
        cycle.step + 1,
    )


def _unit(vectors: Float[Array, "n d"]) -> tuple[Float[Array, "n d"], Float[Array, "n 1"]]:
    """Vectors of length one, or zero, and the lengths."""
    size = jnp.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / jnp.where(size > 0, size, 1.0), size


def _unreduced(left: Float[Array, "n d"], before: Float[Array, "n d"], target: Float[Array, " n"]) -> Bool[Array, " n"]:
    """Which examples are solved, or had no use of a whole cycle."""
    size = jnp.linalg.norm(left, axis=1)
    return (size <= target) | ~(size < 0.99 * jnp.linalg.norm(before, axis=1))
