"""The state of the kernel interpreter: the covariance of two batches of inputs at one layer of an infinitely wide network.

The covariance of a pair is carried as two variances and a *deficit*, one minus the correlation, never as the product
`K = sqrt(q1 q2) (1 - deficit)`. Forming `sqrt(q1 q2 - K^2)` from `K` loses half of the digits as the correlation
approaches one, and a kinked activation turns that into an error of the square root of the rounding unit in its NTK.
Every rule updates the deficit without such a cancellation, so float32 stays accurate at any depth, for near-duplicates
and on the diagonal.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# A variance is never exactly zero: this keeps square roots differentiable at zero inputs and is far below any rounding.
TINY = {jnp.dtype("float32"): 1e-24, jnp.dtype("float64"): 1e-200}


def tiny(dtype) -> float:
    """The variance that stands for zero in `dtype`."""
    return TINY.get(jnp.dtype(dtype), 1e-24)


def safe_sqrt(q: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`sqrt(q)` with a finite derivative at zero."""
    return jnp.sqrt(q + tiny(q.dtype))


def per_row(*values: Float[Array, "..."]) -> tuple[Float[Array, "..."], ...]:
    """Have values that belong to single inputs computed once an input; XLA would compute them again for every pair."""
    return jax.lax.optimization_barrier(values)


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

    @property
    def nngp(self) -> Float[Array, "..."]:
        """Covariance of one unit at the two inputs."""
        r1, r2 = per_row(safe_sqrt(self.q1), safe_sqrt(self.q2))
        return r1 * r2 * (1 - self.deficit)


Term = tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."] | None]
"""Variances of the two inputs and their deficit, or `None` for a deficit of zero."""


def sum_of_covariances(
    terms: list[Term],
) -> tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]]:
    """Variances and deficit of a sum of independent terms.

    An input's terms have the shares `s_t^2` of its variance, so the `s_t` of each input are a unit vector, and the deficit of the
    sum is that of these two vectors, half of their squared distance, and the terms' own: `sum_t s_t s'_t deficit_t + (s_t -
    s'_t)^2 / 2`. All parts are positive, and nothing cancels.
    """
    q1 = sum((t[0] for t in terms[1:]), terms[0][0])
    q2 = sum((t[1] for t in terms[1:]), terms[0][1])
    if len(terms) == 1 and terms[0][2] is not None:
        return q1, q2, terms[0][2]
    r1, r2 = safe_sqrt(q1), safe_sqrt(q2)
    distance = deficit = jnp.zeros((), q1.dtype)
    for p1, p2, own in terms:
        share1, share2 = per_row(safe_sqrt(p1) / r1, safe_sqrt(p2) / r2)
        distance += (share1 - share2) ** 2
        if own is not None:
            deficit += share1 * share2 * own
    return q1, q2, deficit + distance / 2
