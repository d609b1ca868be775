"""Fixed points of maps that contract, with derivatives by the implicit function theorem."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

_MOST = 3000
"""Iterations."""
_CYCLE = 8
"""After so many of them, where they converge slowly, the rest is summed up as a geometric series."""
_SLOW = 0.5
_STEADY = 0.1
"""By how much the rate of such a series may change in one iteration, in units of its distance from one."""
_LAST = 100
"""Iterations once nothing changes but the last digits of small numbers."""


def fixed_point(function: Callable[[Any], Any], start: Any) -> Any:
    """`x = function(x)` of a PyTree of arrays, by iteration from `start` until no number changes by more than its rounding.

    Where the changes of a number become a geometric series of a rate near one, its sum is taken (Aitken 1926), and taken back if
    the next change is not smaller. So a map that shrinks distances by `chi` a step only has a fixed point whose relative error
    is some units of rounding over `1 - chi`.

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


class _State(NamedTuple):
    """Of the iteration; PyTrees like `x` but for `count`, `settled` and `moves`."""

    count: Any
    settled: Any
    x: Any
    moves: Any
    change: Any
    """By which `x` has changed last; of numbers that have jumped, before they did."""
    rate: Any
    """Of that to the change before it."""
    jumped: Any
    """Where the last step was the sum of a series."""
    back: Any
    """`x` without it."""


def _iterate(function: Callable[[Any], Any], start: Any) -> Any:
    def advance(state: _State) -> _State:
        after = function(state.x)
        numbers = (state.x, after, state.change, state.rate, state.jumped, state.back)
        ends = (state.count >= _MOST - _CYCLE) | (state.settled >= _LAST - _CYCLE)  # too late to take a jump back
        now = (state.count % _CYCLE == _CYCLE - 1) & ~ends, ~ends
        steps = [_accelerated(now, *one) for one in zip(*map(jax.tree.leaves, numbers), strict=True)]
        x, change, rate, jumped, back = (
            jax.tree.unflatten(jax.tree.structure(after), one) for one in zip(*steps, strict=True)
        )
        moves = _any_moves(_rests, state.x, after)
        settled = state.settled + ~_any_moves(_rests_as_a_whole, state.x, after)
        return _State(state.count + 1, settled, x, moves, change, rate, jumped, back)

    def goes_on(state: _State) -> Any:
        return (state.count < _MOST) & (state.settled < _LAST) & state.moves

    start = jax.tree.map(lambda v, like: jnp.broadcast_to(v, like.shape), start, jax.eval_shape(function, start))
    none, zeros = jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, start)
    still = jax.tree.map(lambda v: jnp.zeros(v.shape, bool), start)
    state = _State(none, none, start, jnp.ones((), bool), zeros, zeros, still, start)
    end = lax.while_loop(goes_on, advance, state)

    def found(one: Any, after: Any) -> Any:
        return jnp.where(((end.settled > 0) | _rests(one, after)) & jnp.isfinite(one), one, jnp.nan)

    return jax.tree.map(found, end.x, function(end.x))


def _accelerated(
    now: tuple[Any, Any], x: Any, after: Any, change: Any, rate: Any, jumped: Any, back: Any
) -> tuple[Any, ...]:
    """The next numbers: the sum of a slow geometric series, from changes in a row where the first of `now` is true, and after a
    jump, where the second is, from the change before it, of whose rate rounding leaves more (the secant method).
    """
    step = after - x
    failed = jumped & ~(abs(step) <= abs(change))
    ratio = step / jnp.where(change == 0, 1.0, change)
    steady = now[0] & ~jumped & (abs(ratio - rate) <= _STEADY * (1 - ratio))
    far = x - back + change  # from where the jump began
    secant = 1 + (step - change) / jnp.where(far == 0, 1.0, far)
    of_series = jnp.where(jumped, secant, ratio)
    slow = (of_series > _SLOW) & (of_series < 1)
    limit = after + step * of_series / jnp.where(slow, 1 - of_series, 1.0)
    jumps = slow & (steady | (jumped & ~failed & now[1])) & ~_rests(x, after) & (limit * after > 0)
    following = jnp.where(failed, back, jnp.where(jumps, limit, after))
    return following, jnp.where(failed, 0.0, step), ratio, jumps, after


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
