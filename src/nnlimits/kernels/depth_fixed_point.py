"""Fixed points of maps that contract, with derivatives by the implicit function theorem."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

_MOST = 3000
"""Iterations; where a map shrinks distances by 0.99 a step, this many leave nothing."""
_LAST = 100
"""Iterations once nothing changes but the last digits of small numbers."""


def fixed_point(function: Callable[[Any], Any], start: Any) -> Any:
    """`x = function(x)` of a PyTree of arrays, by iteration from `start` until no number changes by more than its rounding.

    A number that does not settle is NaN. Differentiable in what `function` closes over, any number of times and both ways.
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
    def advance(state: tuple[Any, Any, Any, Any]) -> tuple[Any, Any, Any, Any]:
        count, settled, x, _ = state
        after = function(x)
        return count + 1, settled + ~_any_moves(_rests_as_a_whole, x, after), after, _any_moves(_rests, x, after)

    def goes_on(state: tuple[Any, Any, Any, Any]) -> Any:
        count, settled, _, moves = state
        return (count < _MOST) & (settled < _LAST) & moves

    start = jax.tree.map(lambda v, like: jnp.broadcast_to(v, like.shape), start, jax.eval_shape(function, start))
    none = jnp.zeros((), jnp.int32)
    _, settled, x, _ = lax.while_loop(goes_on, advance, (none, none, start, jnp.ones((), bool)))

    def found(one: Any, after: Any) -> Any:
        return jnp.where(((settled > 0) | _rests(one, after)) & jnp.isfinite(one), one, jnp.nan)

    return jax.tree.map(found, x, function(x))


def _any_moves(rests: Callable[[Any, Any], Any], before: Any, after: Any) -> Any:
    flags = [jnp.any(~rests(a, b)) for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)]
    return jnp.any(jnp.stack(flags))


def _rests(old: Any, new: Any) -> Any:
    """Where a number has not changed by more than its rounding; NaN, as of inputs at which the map has no fixed point, stays."""
    eps, size = jnp.finfo(old.dtype).eps, jnp.abs(new)
    return ~(jnp.abs(new - old) > 8 * eps * (size + eps * _largest(size)))


def _rests_as_a_whole(old: Any, new: Any) -> Any:
    """Where a number has not changed by more than the rounding of the largest: small deficits may never settle by themselves."""
    return ~(jnp.abs(new - old) > 8 * jnp.finfo(old.dtype).eps * jnp.maximum(_largest(jnp.abs(new)), 1.0))


def _largest(size: Any) -> Any:
    return jnp.where(jnp.isfinite(size), size, 0.0).max()
