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

# (deficit, |log(q1/q2)|) above which the sums are never used.
_NEAR = {jnp.dtype("float32"): (2e-3, 2e-2), jnp.dtype("float64"): (1e-6, 1e-4)}
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
    near_deficit, near_ratio = _NEAR[jnp.dtype(q1.dtype)]
    (p1, slope1, curvature1), (p2, slope2, curvature2) = row1, row2
    value, derivative = moments
    r1, r2, log1, log2 = per_row(
        safe_sqrt(q1), safe_sqrt(q2), jnp.log(q1 + tiny(q1.dtype)), jnp.log(q2 + tiny(q2.dtype))
    )
    inverse1, inverse2 = per_row(1 / safe_sqrt(p1), 1 / safe_sqrt(p2))
    d1, d2, bend1, bend2 = per_row(safe_sqrt(slope1), safe_sqrt(slope2), safe_sqrt(curvature1), safe_sqrt(curvature2))
    inverse = inverse1 * inverse2
    plain = 1 - value * inverse
    log_ratio = log1 - log2
    mean_slope, apart = d1 * d2, r1 * r2 * deficit * inverse
    skewed = bend1 * bend2 * log_ratio**2
    summed = apart * (mean_slope + derivative) / 2 + skewed
    # at most: near a kink the slope falls like the square root of the deficit, elsewhere linearly
    truncation = apart * jnp.abs(mean_slope - derivative) / 6 + skewed**2
    near = (deficit < near_deficit) & (jnp.abs(log_ratio) < near_ratio)
    near &= (truncation < jnp.finfo(plain.dtype).eps) & (jnp.abs(summed - plain) < _NOISE[jnp.dtype(plain.dtype)])
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
    curvature = (1 - cross / (safe_sqrt(square_up) * safe_sqrt(square_down))) / (2 * step) ** 2
    quantities = square, slopes[: q.size], jnp.maximum(curvature, 0.0)
    row1, row2 = zip(
        *((v[: q1.size].reshape(q1.shape), v[q1.size :].reshape(q2.shape)) for v in quantities), strict=True
    )
    return row1, row2
