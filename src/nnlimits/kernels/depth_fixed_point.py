"""Fixed points of maps that contract, with derivatives by the implicit function theorem."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

_MOST = 3000
"""Iterations; where a map shrinks distances by 0.99 a step, this many leave nothing."""


def fixed_point(function: Callable[[Any], Any], start: Any) -> Any:
    """`x = function(x)` of a PyTree of arrays, by iteration from `start` until no number changes by more than its rounding.

    NaN where the iteration does not settle. Differentiable in what `function` closes over, any number of times and both ways.
    """

    def residual(x: Any) -> Any:
        return jax.tree.map(jnp.subtract, function(x), x)

    def solve(_: Any, x: Any) -> Any:
        return _iterate(function, x)

    def tangent_solve(linear: Callable[[Any], Any], y: Any) -> Any:
        return lax.custom_linear_solve(linear, y, _linear_solve, _linear_solve)

    return lax.custom_root(residual, start, solve, tangent_solve)


def _linear_solve(linear: Callable[[Any], Any], y: Any) -> Any:
    """`linear(x) = y` for `linear(x) = J x - x`."""
    return _iterate(lambda x: jax.tree.map(lambda a, b, c: a + b - c, linear(x), x, y), jax.tree.map(jnp.negative, y))


def _iterate(function: Callable[[Any], Any], start: Any) -> Any:
    def advance(state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        count, x, _ = state
        after = function(x)
        return count + 1, after, _moves(x, after)

    def goes_on(state: tuple[Any, Any, Any]) -> Any:
        return (state[0] < _MOST) & state[2]

    start = jax.tree.map(lambda v, like: jnp.broadcast_to(v, like.shape), start, jax.eval_shape(function, start))
    _, x, moves = lax.while_loop(goes_on, advance, (jnp.zeros((), jnp.int32), start, jnp.ones((), bool)))
    return jax.tree.map(lambda v: jnp.where(moves, jnp.nan, v), x)


def _moves(before: Any, after: Any) -> Any:
    """Whether some number has changed by more than rounding errors, relative to itself or to the largest of its array by far."""

    def one(old: Any, new: Any) -> Any:
        eps = jnp.finfo(old.dtype).eps
        size = jnp.abs(new)
        return jnp.any(~(jnp.abs(new - old) <= 8 * eps * (size + eps * size.max())))

    return jnp.any(jnp.stack([one(a, b) for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)]))
