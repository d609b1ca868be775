"""The dual of a smooth activation from its two moments, with a deficit that stays accurate as the correlation approaches one.

Far from coincidence the deficit is `1 - E[phi phi] / sqrt(E[phi^2] E[phi^2])`. Near it that subtraction cancels, and
the two parts of the deficit are summed instead: what the correlation takes away, by Price's theorem the integral of
`sqrt(q1 q2) E[phi' phi']` over the deficit (trapezoidal rule), and what the unequal variances take away, quadratic in
`log(q1 / q2)`.
"""

import math
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.kernels.covariance import per_row, safe_sqrt, tiny
from nnlimits.kernels.dual import Dual, Moments

MomentFunction = Callable[[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]], Moments]

RowMoments = tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]]

# |log(q1/q2)| above which the sums are never used.
_NEAR = {jnp.dtype("float32"): 2e-2, jnp.dtype("float64"): 1e-4}
# What rounding may do to the subtraction. Sums that differ by more are wrong: those of a function that jumps, or that
# varies on a scale finer than the distance of the pair.
_NOISE = {jnp.dtype("float32"): 4e-6, jnp.dtype("float64"): 1e-13}
# The step in log q that measures the quadratic term.
_STEP = {jnp.dtype("float32"): 2e-2, jnp.dtype("float64"): 1e-3}


def smooth_dual(
    pair: MomentFunction, q1: Float[Array, "..."], q2: Float[Array, "..."], deficit: Float[Array, "..."]
) -> Dual:
    """Variances, deficit and derivative from a function that gives both moments of a pair."""
    step = _STEP[jnp.dtype(q1.dtype)]
    row1, row2 = _rows(pair, q1, q2, step)
    return assemble(pair(q1, q2, deficit), row1, row2, q1, q2, deficit)


def assemble(
    moments: Moments,
    row1: RowMoments,
    row2: RowMoments,
    q1: Float[Array, "..."],
    q2: Float[Array, "..."],
    deficit: Float[Array, "..."],
) -> Dual:
    """The dual from the moments of the pairs and, for each input, `E[phi^2]`, `E[phi'^2]` and the deficit at unit log-ratio."""
    (p1, slope1, curvature1), (p2, slope2, curvature2) = row1, row2
    value, derivative = moments
    inverse1, inverse2 = per_row(1 / safe_sqrt(p1), 1 / safe_sqrt(p2))
    gain1, gain2 = per_row(safe_sqrt(q1) * inverse1, safe_sqrt(q2) * inverse2)
    still1, still2 = per_row(safe_sqrt(slope1) * gain1, safe_sqrt(slope2) * gain2)
    bend1, bend2 = per_row(safe_sqrt(curvature1), safe_sqrt(curvature2))
    log1, log2 = per_row(jnp.log(q1 + tiny(q1.dtype)), jnp.log(q2 + tiny(q2.dtype)))
    plain = 1 - value * (inverse1 * inverse2)
    # the slope of the deficit before to that after, at coincidence and where the pair is
    first, last = still1 * still2, gain1 * gain2 * derivative
    squared_ratio = (log1 - log2) ** 2
    skewed = bend1 * bend2 * squared_ratio
    half = deficit / 2
    summed = half * (first + last) + skewed
    # thrice the error, at most: near a kink the slope falls like the square root of the deficit, elsewhere linearly
    truncation = half * jnp.abs(first - last) + skewed**2
    near = (truncation < 3 * jnp.finfo(plain.dtype).eps) & (squared_ratio < _NEAR[jnp.dtype(q1.dtype)] ** 2)
    near &= jnp.abs(summed - plain) < _NOISE[jnp.dtype(plain.dtype)]
    return Dual(p1, p2, jnp.clip(jnp.where(near, summed, plain), 0.0, 2.0), derivative)


def _rows(
    pair: MomentFunction, q1: Float[Array, "..."], q2: Float[Array, "..."], step: float
) -> tuple[RowMoments, RowMoments]:
    """For each input: `E[phi^2]`, `E[phi'^2]`, and the deficit at unit log-ratio of variances, to second order.

    All in one call on one short vector: on small arrays it is the number of operations that costs.
    """
    q = jnp.concatenate([q1.ravel(), q2.ravel()])
    up, down = q * math.exp(step), q * math.exp(-step)
    first, second = jnp.concatenate([q, up, up, down]), jnp.concatenate([q, down, up, down])
    values, slopes = pair(first, second, jnp.zeros_like(first))
    square, cross, square_up, square_down = jnp.split(values, 4)
    # factor by factor: the square of a small variance is below all numbers
    curvature = (1 - cross / safe_sqrt(square_up) / safe_sqrt(square_down)) / (2 * step) ** 2
    quantities = square, slopes[: q.size], jnp.maximum(curvature, 0.0)
    row1, row2 = zip(
        *((v[: q1.size].reshape(q1.shape), v[q1.size :].reshape(q2.shape)) for v in quantities), strict=True
    )
    return row1, row2
