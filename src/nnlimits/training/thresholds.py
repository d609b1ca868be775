"""The learning rates at which the loss first rises, and at which training diverges, measured by short descents."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from nnlimits.training.problem import Problem
from nnlimits.validation import check_positive

RISE = 1e-3
"""By how much of its first value the loss rises in one step where it counts as rising: more than rounding."""

GRID = 16
"""How many steps a search takes from the lowest rate to the highest before it bisects."""


class Thresholds(NamedTuple):
    """Learning rates, one for each network; infinite where the highest rate tried is below, zero where the lowest is above."""

    rise: Float[Array, " seeds"]
    """Above it, the loss rises at some step."""
    divergence: Float[Array, " seeds"]
    """Above it, the loss ends above its first value, or beyond all numbers."""


def measured_thresholds(
    problem: Problem,
    params: PyTree,
    *,
    lowest: Any,
    highest: Any,
    steps: int = 200,
    bisections: int = 8,
) -> Thresholds:
    """Find two thresholds of the learning rate, for many initializations at once.

    For each threshold, descents of `steps` steps at `GRID + 1` rates between `lowest` and `highest`, of all initializations in
    step with one another, show the first rate at which it happens; `bisections` more find the place between that rate and
    the one below, to a factor of `(highest / lowest)^(2^-bisections / GRID)`. Looking from below matters: at yet higher rates
    a ReLU network may die, its loss ending lower than it began, and one with bounded activations stays finite.

    **Arguments:**

    - `problem`: data, network and loss.
    - `params`: initializations stacked along a first axis, as `jax.vmap` over an `init` makes them.
    - `lowest`, `highest`: learning rates to search between, numbers or one for each initialization.
    - `steps`: long enough for an unstable direction to grow and for the network to settle, about the logarithm of the width
      over the logarithm of its growth a step.

    **Returns:** `Thresholds`.

    **Raises:** `ValueError` for rates that are not positive.
    """
    seeds = len(jax.tree.leaves(params)[0])
    with problem.precision():
        low, high = (jnp.broadcast_to(problem.scalar(rate), (seeds,)) for rate in (lowest, highest))
        check_positive("lowest", float(low.min()))
        check_positive("the ratio of highest and lowest, less one,", float((high / low).min()) - 1)
        return Thresholds(*_search(problem, params, low, high, steps, bisections))


@eqx.filter_jit
def _search(
    problem: Problem, params: PyTree, low: Array, high: Array, steps: int, bisections: int
) -> Float[Array, "2 seeds"]:
    """Both thresholds, from one grid of descents and two bisections."""
    outcomes = jax.vmap(lambda p, rate: jnp.stack(_outcome(problem, p, rate, steps)), out_axes=1)
    factor = (high / low) ** (1 / GRID)
    happened = jax.lax.map(lambda i: outcomes(params, low * factor**i), jnp.arange(GRID + 1))
    first = jnp.argmax(happened, axis=0)

    def bisected(bracket: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        which, under, over = bracket

        def halve(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            middle = jnp.sqrt(ends[0] * ends[1])
            found = outcomes(params, middle)[which]
            return jnp.where(found, ends[0], middle), jnp.where(found, middle, ends[1])

        return jax.lax.fori_loop(0, bisections, halve, (under, over))

    under, over = jax.lax.map(bisected, (jnp.arange(2), low * factor ** (first - 1), low * factor**first))
    found = jnp.where(happened.any(0), jnp.sqrt(under * over), jnp.inf)
    return jnp.where(happened[0], 0.0, found).astype(low.dtype)


def _outcome(problem: Problem, params: PyTree, rate: Array, steps: int) -> tuple[Bool[Array, ""], Bool[Array, ""]]:
    """Whether the loss rises in some step, and whether it ends above where it began."""
    slope = jax.value_and_grad(problem.value)

    def step(_: Any, state: tuple[PyTree, Array, Array]) -> tuple[PyTree, Array, Array]:
        params, previous, rise = state
        loss, gradient = slope(params)
        params = jax.tree.map(lambda p, g: (p - rate * g).astype(p.dtype), params, gradient)
        return params, loss, jnp.maximum(rise, loss - previous)

    first = problem.value(params)
    end, previous, rise = jax.lax.fori_loop(0, steps, step, (params, first, jnp.zeros_like(first)))
    last = problem.value(end)
    rise = jnp.maximum(rise, last - previous)
    return ~(rise <= RISE * first), ~(last <= first)  # NaN counts as both
