"""The dual of a smooth activation from its two moments, with a deficit that stays accurate as the correlation approaches one.

Far from coincidence the deficit is `1 - E[phi phi] / sqrt(E[phi^2] E[phi^2])`. Near it that subtraction cancels, and
the two parts of the deficit are summed instead: what the correlation takes away, by Price's theorem the integral of
`sqrt(q1 q2) E[phi' phi']` over the deficit (trapezoidal rule), and what the unequal variances take away, quadratic in
`log(q1 / q2)`.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.kernels.covariance import safe_sqrt, tiny
from nnlimits.kernels.dual import Dual, Moments

MomentFunction = Callable[[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]], Moments]

RowMoments = tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]]

# (deficit, |log(q1/q2)|) below which the sums replace the subtraction: where the truncation of the former meets the
# cancellation of the latter.
_NEAR = {jnp.dtype("float32"): (2e-3, 2e-2), jnp.dtype("float64"): (1e-6, 1e-4)}
# The step in log q that measures the quadratic term.
_STEP = {jnp.dtype("float32"): 2e-2, jnp.dtype("float64"): 1e-3}


def smooth_dual(
    pair: MomentFunction, q1: Float[Array, "..."], q2: Float[Array, "..."], deficit: Float[Array, "..."]
) -> Dual:
    """Variances, deficit and derivative from a function that gives both moments of a pair."""
    step = _STEP[jnp.dtype(q1.dtype)]
    return assemble(pair(q1, q2, deficit), _row(pair, q1, step), _row(pair, q2, step), q1, q2, deficit)


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
    root = safe_sqrt(p1) * safe_sqrt(p2)
    plain = 1 - value / root
    log_ratio = jnp.log(q1 + tiny(q1.dtype)) - jnp.log(q2 + tiny(q2.dtype))
    s = safe_sqrt(q1) * safe_sqrt(q2)
    lost = s * deficit * (safe_sqrt(slope1) * safe_sqrt(slope2) + derivative) / 2
    summed = lost / root + safe_sqrt(curvature1) * safe_sqrt(curvature2) * log_ratio**2
    near = (deficit < near_deficit) & (jnp.abs(log_ratio) < near_ratio)
    return Dual(p1, p2, jnp.clip(jnp.where(near, summed, plain), 0.0, 2.0), derivative)


def _row(pair: MomentFunction, q: Float[Array, "..."], step: float) -> RowMoments:
    """For each input: `E[phi^2]`, `E[phi'^2]`, and the deficit at unit log-ratio of variances, to second order."""
    zero = jnp.zeros_like(q)
    value, slope = pair(q, q, zero)
    up, down = q * jnp.exp(jnp.asarray(step, q.dtype)), q * jnp.exp(jnp.asarray(-step, q.dtype))
    cross, _ = pair(up, down, zero)
    p_up, p_down = pair(up, up, zero).value, pair(down, down, zero).value
    curvature = (1 - cross / (safe_sqrt(p_up) * safe_sqrt(p_down))) / (2 * step) ** 2
    return value, slope, jnp.maximum(curvature, 0.0)
