"""Variances and correlations in an infinitely deep network of smooth shaped activations, in the limit of infinite width first.

With the share s of all layers, `g = c2^2 / (4 a^2)` and `beta = (3 c2^2 / 4 + c3) / a^2`, the covariance V of two inputs of
variances A and B follows (Li, Nica & Roy 2022, without noise)

    dV/ds = g (A B + V (2 V - 3)) + c3 / (2 a^2) V (A + B - 2),

of which variances are the case V = A = B: `dA/ds = beta A (A - 1)`, a logistic equation. That of one minus the correlation has
no cancellation:

    d deficit/ds = g [sqrt(A B) deficit (1 - 2 deficit) + 3/2 (1 - deficit) (sqrt(A) - sqrt(B))^2].
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels.covariance import positive, safe_sqrt

Values = Float[Array, "..."]


class SmoothShape(NamedTuple):
    """What the limit of infinite depth knows of a row of smooth activations: drifts of one block add up."""

    spread: Values
    """g, which takes correlations from one."""
    growth: Values
    """beta, the rate at which variances leave one, or if negative return to it."""


def smooth_shape(*words: nn.Shaped) -> SmoothShape:
    """That of the activations of one block."""
    spread, growth = 0.0, 0.0
    for word in words:
        second, third = word.curvatures
        spread += second**2 / (4 * word.a**2)
        growth += (3 / 4 * second**2 + third) / word.a**2
    return SmoothShape(jnp.asarray(spread), jnp.asarray(growth))


def variance_flow(variance: Values, growth: Values, share: float | Values = 1.0) -> Values:
    """The variance after a share of all layers; infinite where it has exploded before."""
    left = 1 + (1 - variance) * jnp.expm1(growth * share)
    exploded = left <= 0
    return jnp.where(exploded, jnp.inf, variance / jnp.where(exploded, 1.0, left))


def deficit_flow(
    deficit: Values, first: Values, second: Values, shape: SmoothShape, share: float | Values = 1.0, steps: int = 64
) -> Values:
    """One minus the correlation after a share of all layers, by the Runge-Kutta method of fourth order in so many steps.

    **Arguments:** `deficit`, and the variances `first` and `second`, before. Where one of these explodes it is NaN.
    """
    step = jnp.asarray(share / steps, deficit.dtype)
    roots = safe_sqrt(positive(first)), safe_sqrt(positive(second))

    def velocity(value: Values, at: Values) -> Values:
        one, other = (
            root * jax.lax.rsqrt(1 + (1 - q) * jnp.expm1(shape.growth * at))
            for root, q in zip(roots, (first, second), strict=True)
        )
        return shape.spread * (one * other * value * (1 - 2 * value) + 1.5 * (1 - value) * (one - other) ** 2)

    def advance(value: Values, number: Values) -> tuple[Values, None]:
        at = number * step
        k1 = velocity(value, at)
        k2 = velocity(value + step / 2 * k1, at + step / 2)
        k3 = velocity(value + step / 2 * k2, at + step / 2)
        k4 = velocity(value + step * k3, at + step)
        return value + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

    start = deficit + jnp.zeros_like(roots[0] * roots[1])
    return jax.lax.scan(advance, start, jnp.arange(steps, dtype=deficit.dtype))[0]
