"""The state of the kernel interpreter: the covariance of two batches of inputs at one layer of an infinitely wide network.

The covariance of a pair is carried as two variances and a *deficit*, one minus the correlation, never as the product
`K = sqrt(q1 q2) (1 - deficit)`. Forming `sqrt(q1 q2 - K^2)` from `K` loses half of the digits as the correlation
approaches one, and a kinked activation turns that into an error of the square root of the rounding unit in its NTK.
Every rule updates the deficit without such a cancellation, so float32 stays accurate at any depth, for near-duplicates
and on the diagonal.
"""

import math
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from nnlimits.kernels.per_input import per_input
from nnlimits.kernels.positions import Positions

# A variance is never exactly zero: this keeps square roots differentiable at zero inputs and is far below any rounding.
TINY = {jnp.dtype("float32"): 1e-24, jnp.dtype("float64"): 1e-200}


def tiny(dtype) -> float:
    """The variance that stands for zero in `dtype`."""
    return TINY.get(jnp.dtype(dtype), 1e-24)


def safe_sqrt(q: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`sqrt(q)` with a finite derivative at zero."""
    return jnp.sqrt(q + tiny(q.dtype))


def at_least(value: Float[Array, "*shape"], low: float) -> Float[Array, "*shape"]:
    """The larger of both; NaN stays NaN. A comparison and a choice take one instruction, where XLA's `max` takes four."""
    return jnp.where(value < low, low, value)


def between(value: Float[Array, "*shape"], low: float, high: float) -> Float[Array, "*shape"]:
    """`value` cut to an interval; NaN stays NaN."""
    return at_least(jnp.where(value > high, high, value), low)


def positive(q: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """A variance that a subtraction has left: of inputs of zeros, it may be less than nothing by its rounding."""
    return at_least(q, tiny(q.dtype))


class Covariance(eqx.Module):
    """Second moments of two batches at one layer, pair by pair.

    All arrays broadcast against one another: `(n1, n2)` pairs with `q1` of shape `(n1, 1)` and `q2` of shape `(1, n2)`,
    or the diagonal alone with every array of shape `(n,)`. The rules are elementwise, so the same code serves both.
    """

    q1: Float[Array, "..."]
    """Variance of one unit at each input of the first batch."""
    q2: Float[Array, "..."]
    """Variance of one unit at each input of the second batch."""
    deficit: Float[Array, "..."]
    """One minus the correlation of the two inputs, in [0, 2]."""
    ntk: Float[Array, "..."] | None
    """Neural tangent kernel, or `None` when it is not asked for."""
    width: Float[Array, ""]
    """Number of units of this layer in the finite network; used by the standard parameterization and by `Concatenate`."""
    same: Bool[Array, "..."] | None
    """Where the two inputs are one and the same example; `None` when no layer needs to know."""
    gaussian: bool = eqx.field(static=True)
    """Whether the units are independent Gaussians, as an activation or a `LayerNorm` requires."""
    fresh: bool = eqx.field(static=True)
    """Whether the units come from weights drawn since the present branch began, hence are independent of the other branches; true
    outside all branches."""
    positions: Positions | None = None
    """Where the units are, if they have positions: their axes lead those of all arrays."""
    gains: int | None = eqx.field(static=True, default=0)
    """How many trainable gains the units have passed since weights last mixed them: `ntk` is the mean over units, and that of
    unit i is `ntk + gains (u_i v_i - K)`. `None` if it differs in another way."""
    seen: tuple[Float[Array, "..."], Float[Array, "..."] | None] | None = None
    """`semivariance.visible` of it in the place of the deficit and the NTK, on the way to a layer that takes nothing else."""

    @property
    def nngp(self) -> Float[Array, "..."]:
        """Covariance of one unit at the two inputs."""
        r1, r2 = per_input(safe_sqrt, self.q1, self.q2)
        return r1 * r2 * (1 - self.deficit)


Term = tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."] | None]
"""Variances of the two inputs and their deficit, or `None` for a deficit of zero."""


class _Shares(NamedTuple):
    """Of one input: the variance of a sum of independent terms, and the roots of the terms' shares of it, over sqrt(2)."""

    q: Float[Array, "..."]
    terms: tuple[Float[Array, "..."], ...]


def _shares(variances: tuple[Float[Array, "..."], ...]) -> _Shares:
    q = sum(variances[1:], variances[0])
    root = math.sqrt(2) * safe_sqrt(q)
    return _Shares(q, tuple(safe_sqrt(p) / root for p in variances))


def sum_of_covariances(
    terms: list[Term],
) -> tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]]:
    """Variances and deficit of a sum of independent terms.

    An input's terms have the shares `s_t^2` of its variance, so the `s_t` of each input are a unit vector, and the deficit of the
    sum is that of these two vectors, half of their squared distance, and the terms' own: `sum_t s_t s'_t deficit_t + (s_t -
    s'_t)^2 / 2`. All parts are positive, and nothing cancels.
    """
    shares1, shares2 = per_input(_shares, tuple(t[0] for t in terms), tuple(t[1] for t in terms))
    if len(terms) == 1 and terms[0][2] is not None:
        return shares1.q, shares2.q, terms[0][2]
    deficit = jnp.zeros((), shares1.q.dtype)
    for share1, share2, (_, _, own) in zip(shares1.terms, shares2.terms, terms, strict=True):
        deficit += (share1 - share2) ** 2
        if own is not None:
            deficit += share1 * share2 * (2 * own)
    return shares1.q, shares2.q, deficit
