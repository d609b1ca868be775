"""How far the solution of each example of a batch has come."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, PyTree

ExampleNorm = Callable[[PyTree], Any]
"""The norm of one example, such as `optimistix.two_norm`."""


class Tolerance(eqx.Module):
    """An example is solved where `norm(f(z) - z) <= absolute + relative norm(f(z))`."""

    relative: float
    absolute: float
    norm: ExampleNorm = eqx.field(static=True)


class Progress(eqx.Module):
    """What is known of each example's solution after `evaluations` evaluations of the whole batch.

    `size` is the norm of its residual `f(z) - z` at the last evaluation, `best` the least so far, `relative` the best one as a
    part of the norm of `f(z)`, `ratio` the last size by the one before, `steps` the evaluations until it was solved (or so far),
    `nonfinite` whether it is lost: a value that is not finite, with nowhere to go back to.
    """

    evaluations: Int[Array, ""]
    size: Float[Array, " n"]
    best: Float[Array, " n"]
    relative: Float[Array, " n"]
    ratio: Float[Array, " n"]
    steps: Int[Array, " n"]
    converged: Bool[Array, " n"]
    nonfinite: Bool[Array, " n"]

    @property
    def finished(self) -> Bool[Array, ""]:
        """Whether all examples are solved, or one is lost."""
        return jnp.all(self.converged) | jnp.any(self.nonfinite)


def beginning(examples: int, dtype: Any) -> Progress:
    """The progress before the first evaluation."""
    infinite = jnp.full(examples, jnp.inf, dtype)
    no = jnp.zeros(examples, bool)
    zero = jnp.zeros((), jnp.int32)
    return Progress(zero, infinite, infinite, infinite, infinite, jnp.zeros(examples, jnp.int32), no, no)


def advanced(
    progress: Progress, image: Float[Array, "n d"], residual: Float[Array, "n d"], tolerance: Tolerance
) -> Progress:
    """The progress after an evaluation with this image `f(z)` and this residual `f(z) - z`. It is not differentiated."""
    norm = jax.vmap(tolerance.norm)
    size, scale = norm(lax.stop_gradient(residual)), norm(lax.stop_gradient(image))
    finite = jnp.isfinite(size) & jnp.isfinite(scale)  # squares overflow long before values do
    solved = finite & (size <= tolerance.absolute + tolerance.relative * scale)
    going = ~progress.converged
    better = going & finite & (size < progress.best)
    relative = size / jnp.where(scale > 0, scale, 1.0)
    evaluations = progress.evaluations + 1
    return Progress(
        evaluations,
        jnp.where(going, jnp.where(finite, size, jnp.nan), progress.size),
        jnp.where(better, size, progress.best),
        jnp.where(better | (going & solved), relative, progress.relative),
        jnp.where(going, _ratio(size, progress.size), progress.ratio),
        jnp.where(going, evaluations, progress.steps),
        progress.converged | solved,
        progress.nonfinite | (going & ~finite & jnp.isinf(progress.best)),
    )


def _ratio(size: Float[Array, " n"], before: Float[Array, " n"]) -> Float[Array, " n"]:
    """Infinite at the first evaluation, which has none before it."""
    known = jnp.isfinite(before) & (before > 0)
    return jnp.where(known, size / jnp.where(known, before, 1.0), jnp.inf)


def per_example(flags: Array, like: Array) -> Array:
    """One value an example, to be combined with arrays of all their entries."""
    return flags.reshape(flags.shape + (1,) * (like.ndim - 1))
