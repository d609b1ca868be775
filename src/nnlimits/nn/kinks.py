"""Find where a function is not smooth, by looking for jumps in it and its first two derivatives that no magnification removes."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits.nn.activation import Activation

_REACH = 30.0
_INTERVALS = 6007
_HALVINGS = 36
_JUMP = 1e-4
"""Smallest jump that counts, relative to the size of the function's derivative around it."""
_MOST = 64


def find_kinks(function: Callable) -> tuple[float, ...]:
    """Points in [-30, 30] where an elementwise JAX function, its slope or its curvature jumps.

    Each interval of a fine grid is halved again and again towards the half with the larger change. Across 1e-13 a
    smooth function has not changed; what is left is a jump.

    Where the function is not finite nothing is looked for.

    **Raises:** `ValueError` if there are more than 64 jumps (give `kinks=` to say which matter).
    """
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        found: list[float] = []
        for derivative in _derivatives(function):
            found += _jumps(derivative)
    kinks = _merged(found)
    if len(kinks) > _MOST:
        raise ValueError(
            f"the function jumps at {len(kinks)} places in [-30, 30]; give the kinks that matter with kinks="
        )
    return kinks


def has_jumps(activation: Activation) -> bool:
    """Whether the activation jumps, so that its derivative where it has one is not all that it changes by.

    Looked for at its kinks, at two distances in double precision: a change that stays when the distance falls is a jump.
    """
    kinks = np.asarray(activation.kinks, np.float64)
    if not kinks.size:
        return False
    steps = np.maximum(1, abs(kinks)) * np.array([[1e-6], [1e-8]])
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        above, below = (np.asarray(activation(jnp.asarray(kinks + sign * steps))) for sign in (1, -1))
    far, near = abs(above - below)
    return bool((near > np.maximum(far / 2, _LEAST_JUMP * (abs(above) + abs(below)).max(0))).any())


_LEAST_JUMP = 1e-5
"""The least jump that counts, relative to the values on either side."""


def _derivatives(function: Callable) -> list[Callable]:
    def tangent(f: Callable) -> Callable:
        return lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),))[1]

    slope = tangent(function)
    return [jax.jit(f) for f in (function, slope, tangent(slope))]


def _jumps(f: Callable) -> list[float]:
    # an odd number of intervals of irrational width: no grid point falls on a round number
    grid = np.linspace(-_REACH - np.sqrt(2) / 100, _REACH + np.sqrt(3) / 100, _INTERVALS + 1)
    left, right = grid[:-1], grid[1:]
    f_left, f_right = np.asarray(f(left)), np.asarray(f(right))
    finite = np.isfinite(f_left) & np.isfinite(f_right)
    left, right, f_left, f_right = (v[finite] for v in (left, right, f_left, f_right))
    scale = np.maximum(np.maximum(np.abs(f_left), np.abs(f_right)), 1e-3)
    for _ in range(_HALVINGS):
        middle = (left + right) / 2
        f_middle = np.asarray(f(middle))
        first = np.abs(f_middle - f_left) > np.abs(f_right - f_middle)
        right, f_right = np.where(first, middle, right), np.where(first, f_middle, f_right)
        left, f_left = np.where(first, left, middle), np.where(first, f_left, f_middle)
    change = np.abs(f_right - f_left)
    return [float(x) for x in ((left + right) / 2)[(change > _JUMP * scale)]]


def _merged(found: list[float]) -> tuple[float, ...]:
    """Sorted, one of each cluster, and rounded to a short decimal where one is within the resolution."""
    kinks: list[float] = []
    for x in sorted(found):
        short = float(np.round(x, 9)) + 0.0
        x = short if abs(short - x) < 1e-10 * max(1.0, abs(x)) else x
        if not kinks or abs(x - kinks[-1]) > 1e-8:
            kinks.append(x)
    return tuple(kinks)
