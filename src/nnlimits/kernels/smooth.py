"""The dual of a smooth activation from its two moments, with a deficit that stays accurate as the correlation approaches one.

Far from coincidence the deficit is `1 - E[phi phi] / sqrt(E[phi^2] E[phi^2])`. Near it that subtraction cancels, and
the two parts of the deficit are summed instead: what the correlation takes away, by Price's theorem the integral of
`sqrt(q1 q2) E[phi' phi']` over the deficit (trapezoidal rule), and what the unequal variances take away, quadratic in
`log(q1 / q2)`.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.kernels.covariance import between, safe_sqrt, tiny
from nnlimits.kernels.dual import Dual, Moments
from nnlimits.kernels.per_input import per_input

Values = Float[Array, "..."]

MomentFunction = Callable[[Values, Values, Values], Moments]

# |log(q1/q2)| above which the sums are never used.
_NEAR = {jnp.dtype("float32"): 2e-2, jnp.dtype("float64"): 1e-4}
# What rounding may do to the subtraction. Sums that differ by more are wrong: those of a function that jumps, or that
# varies on a scale finer than the distance of the pair.
_NOISE = {jnp.dtype("float32"): 4e-6, jnp.dtype("float64"): 1e-13}
# The step in log q that measures the quadratic term.
_STEP = {jnp.dtype("float32"): 2e-2, jnp.dtype("float64"): 1e-3}


class Side(NamedTuple):
    """What an activation makes of one input, ready for its pairs."""

    q: Values
    """`E[phi^2]`."""
    inverse: Values
    """Its root's inverse."""
    gain: Values
    """The ratio of the standard deviations before and after."""
    still: Values
    """The root of the deficit's slope at coincidence."""
    bend: Values
    """The root of the deficit at unit log-ratio of variances, to second order."""
    level: Values
    """The logarithm of the variance before."""


def side(q: Values, square: Values, slope: Values, curvature: Values) -> Side:
    """From the variance before, `E[phi^2]`, `E[phi'^2]`, and the deficit at unit log-ratio of variances."""
    inverse = 1 / safe_sqrt(square)
    gain = safe_sqrt(q) * inverse
    return Side(square, inverse, gain, safe_sqrt(slope) * gain, safe_sqrt(curvature), jnp.log(q + tiny(q.dtype)))


def smooth_dual(pair: MomentFunction, q1: Values, q2: Values, deficit: Values) -> Dual:
    """Variances, deficit and derivative from a function that gives both moments of a pair."""
    side1, side2 = per_input(partial(_side, pair), q1, q2)
    return assemble(pair(q1, q2, deficit), side1, side2, deficit)


def assemble(moments: Moments, side1: Side, side2: Side, deficit: Values) -> Dual:
    """The dual from the moments of the pairs and what belongs to each input."""
    value, derivative = moments
    plain = 1 - value * (side1.inverse * side2.inverse)
    # the slope of the deficit before to that after, at coincidence and where the pair is
    first, last = side1.still * side2.still, side1.gain * side2.gain * derivative
    squared_ratio = (side1.level - side2.level) ** 2
    skewed = side1.bend * side2.bend * squared_ratio
    half = deficit / 2
    summed = half * (first + last) + skewed
    # thrice the error, at most: near a kink the slope falls like the square root of the deficit, elsewhere linearly
    truncation = half * jnp.abs(first - last) + skewed**2
    near = (truncation < 3 * jnp.finfo(plain.dtype).eps) & (squared_ratio < _NEAR[jnp.dtype(plain.dtype)] ** 2)
    near &= jnp.abs(summed - plain) < _NOISE[jnp.dtype(plain.dtype)]
    return Dual(side1.q, side2.q, between(jnp.where(near, summed, plain), 0.0, 2.0), derivative)


def _side(pair: MomentFunction, q: Values) -> Side:
    """All moments in one call on one short vector: on small arrays it is the number of operations that costs."""
    step = _STEP[jnp.dtype(q.dtype)]
    flat = q.ravel()
    up, down = flat * math.exp(step), flat * math.exp(-step)
    first, second = jnp.concatenate([flat, up, up, down]), jnp.concatenate([flat, down, up, down])
    values, slopes = pair(first, second, jnp.zeros_like(first))
    square, cross, square_up, square_down = jnp.split(values, 4)
    # factor by factor: the square of a small variance is below all numbers
    curvature = (1 - cross / safe_sqrt(square_up) / safe_sqrt(square_down)) / (2 * step) ** 2
    moments = (square, slopes[: q.size], jnp.maximum(curvature, 0.0))
    return side(q, *(m.reshape(q.shape) for m in moments))
