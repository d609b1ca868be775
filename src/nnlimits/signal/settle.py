"""Where a map of one positive number settles, started from a given one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Float, PyTree

Scalar = Float[Array, ""]


class Settled(NamedTuple):
    """The end of repeated application of a map."""

    value: Scalar
    """Of the map's argument; at an end of the grid if it leaves it."""
    leaves: Scalar
    """-1 or 1 if it leaves the grid below or above, 0 if it settles."""


def settle(growth: Callable[[Any, PyTree], Any], args: PyTree, grid: Float[Array, " n"], start: int) -> Settled:
    """The first rest of a map that starts at `grid[start]` and moves without leaping over a rest.

    **Arguments:** `growth(x, args)`, elementwise: the logarithm of the ratio of the map to its argument x; `grid`, ascending and
    positive, fine enough that no two rests lie between its neighbours.

    **Returns:** the rest; its derivatives in `args` are those of the implicit function theorem.
    """
    still = 64 * jnp.finfo(grid.dtype).eps
    places = jnp.arange(len(grid))
    found = growth(grid, jax.lax.stop_gradient(args))
    direction = jnp.where(jnp.abs(found[start]) <= still, 0.0, jnp.sign(found[start]))
    beyond = found * direction <= 0  # here it turns round, or rests
    above = jnp.min(jnp.where((places > start) & beyond, places, len(grid)))
    below = jnp.max(jnp.where((places < start) & beyond, places, -1))
    low = jnp.where(direction > 0, above - 1, below)
    inside = (direction != 0) & (low >= 0) & (low < len(grid) - 1)
    low = jnp.clip(low, 0, len(grid) - 2)
    left, right = jnp.log(grid[low]), jnp.log(grid[low + 1])
    middle = (left + right) / 2

    def equation(u: Any, args: PyTree) -> Any:
        return jax.lax.cond(inside, lambda: growth(jnp.exp(u), args), lambda: middle - u)

    root = _root(equation, args, left, right)
    end = jnp.where(direction > 0, grid[-1], jnp.where(direction < 0, grid[0], grid[start]))
    return Settled(jnp.where(inside, jnp.exp(root), end), jnp.where(inside, 0.0, direction))


def _root(equation: Callable[[Any, PyTree], Any], args: PyTree, left: Scalar, right: Scalar) -> Scalar:
    epsilon = float(jnp.finfo(left.dtype).eps)
    return optx.root_find(
        equation,
        optx.Bisection(rtol=4 * epsilon, atol=4 * epsilon, flip=True),
        (left + right) / 2,
        args,
        options={"lower": left, "upper": right},
        max_steps=64,
        throw=False,
    ).value
