"""The dual of any elementwise function, by quadrature that stays accurate for kinks, large variances and perfect
correlation.

Each pair is a short Hermite series in the correlation (`series.py`). The pairs for which the series leaves out too
much, those of kinked or steep functions near perfect correlation, are integrated one by one over one unit and the
conditional law of the other.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.compute.refine import refine
from nnlimits.kernels.covariance import safe_sqrt
from nnlimits.kernels.dual import Dual, Moments, dual, moments
from nnlimits.kernels.panels import GRADED, gaussian_panels, panel_ends
from nnlimits.kernels.series import ACCURACY, pair_sums, row
from nnlimits.kernels.smooth import RowMoments, assemble
from nnlimits.kernels.smoothing import smoothed

Values = Float[Array, "..."]

_ORDER = {jnp.dtype("float32"): 8, jnp.dtype("float64"): 12}
_CHUNK = 32
# The least spread of one unit given the other, in standard deviations: far below what accuracy needs, and large enough that
# its inverse can be differentiated thrice.
_SHARPEST = {jnp.dtype("float32"): 3e-7, jnp.dtype("float64"): 1e-14}
_BLUR = (0.0, -0.3, 0.3, -1.0, 1.0, -3.0, 3.0, -9.0, 9.0)


class _Parts(NamedTuple):
    """All that an activation makes of two batches: both moments of each pair, and the moments of each row."""

    pairs: Moments
    row1: RowMoments
    row2: RowMoments


def quadrature_moments(activation: nn.Activation, q1: Values, q2: Values, deficit: Values) -> Moments:
    """`E[phi(u) phi(v)]` and `E[phi'(u) phi'(v)]`, to a relative error of 1e-10 in float64 and 1e-6 in float32.

    Relative to `sqrt(E[phi(u)^2] E[phi(v)^2])`, for variances from 1e-6 to 1e6 and any correlation, if the function has
    its structure at its kinks and within a few tens of zero, and no more than some fifty oscillations within the
    Gaussian. Differentiable, in the activation's own parameters too.
    """
    return _parts(activation, q1, q2, deficit).pairs


def quadrature_dual(activation: nn.Activation, q1: Values, q2: Values, deficit: Values) -> Dual:
    """The dual of a function that has no closed form."""
    return assemble(*_parts(activation, q1, q2, deficit), q1, q2, deficit)


@jax.custom_jvp
def _parts(activation: nn.Activation, q1: Values, q2: Values, deficit: Values) -> _Parts:
    return _compute(activation, q1, q2, deficit)


def _compute(activation: nn.Activation, q1: Values, q2: Values, deficit: Values) -> _Parts:
    first, second = row(activation, q1), row(activation, q2)
    same = (deficit == 0) & (q1 == q2)
    value, slope, missing = pair_sums(first, second, 1 - deficit, same)
    value = jnp.where(same, safe_sqrt(first.square[0]) * safe_sqrt(second.square[0]), value)
    slope = jnp.where(same, safe_sqrt(first.square[1]) * safe_sqrt(second.square[1]), slope)
    p1, p2, d = (jnp.broadcast_to(v, value.shape) for v in (q1, q2, deficit))
    hard = (missing > ACCURACY[jnp.dtype(q1.dtype)].tolerance) & ~same

    def one_by_one(indices):
        return _integrate(activation, p1[indices], p2[indices], d[indices])

    moments = Moments(*refine(hard, (value, slope), one_by_one, _CHUNK))
    return _Parts(moments, *((r.square[0], r.square[1], r.curvature) for r in (first, second)))


def _integrate(activation: nn.Activation, q1: Values, q2: Values, deficit: Values) -> Moments:
    """Both moments of single pairs: outer panels over `u`, inside them the average of the activation of `v` given `u`."""
    r1, r2, c = safe_sqrt(q1), safe_sqrt(q2), 1 - deficit
    spread = jnp.sqrt(jnp.maximum(deficit * (2 - deficit), _SHARPEST[jnp.dtype(q1.dtype)] ** 2))
    kinks = sorted({0.0, *activation.kinks})
    # given z, v is centred at r2 c z: its kinks show in the outer integrand, blurred over spread / c
    loose = jnp.abs(c) < 0.05
    along = jnp.where(loose, 1.0, c)
    blurred = [jnp.where(loose, 0.0, (k / r2 + b * spread) / along) for k in kinks for b in _BLUR]
    ends = panel_ends(GRADED, blurred + [k / r1 for k in activation.kinks if k != 0])
    z, w = gaussian_panels(ends, _ORDER[jnp.dtype(q1.dtype)])
    u = r1[..., None] * z
    mean, std = (r2 * c)[..., None] * z, jnp.broadcast_to((r2 * spread)[..., None], z.shape)
    outer, outer_slope = jax.jvp(activation, (u,), (jnp.ones_like(u),))
    inner, inner_slope = jax.jvp(lambda m: smoothed(activation, m, std), (mean,), (jnp.ones_like(mean),))
    return Moments((w * outer * inner).sum(-1), (w * outer_slope * inner_slope).sum(-1))


@partial(_parts.defjvp, symbolic_zeros=True)
def _(primals, tangents):
    """Forward derivatives entry by entry, so that reverse mode never meets the loops; in the correlation, by Price."""
    primals = tuple(primals)
    result = _compute(*primals)
    leaves, structure = jax.tree.flatten(primals)
    _, q1, q2, deficit = primals
    moving = jax.tree.leaves(tangents, is_leaf=lambda t: isinstance(t, jax.custom_derivatives.SymbolicZero))
    total = jax.tree.map(jnp.zeros_like, result)
    for k, (leaf, tangent) in enumerate(zip(leaves, moving, strict=True)):
        if isinstance(tangent, jax.custom_derivatives.SymbolicZero):
            continue
        directions = [jnp.ones_like(v) if i == k else jnp.zeros_like(v) for i, v in enumerate(leaves)]
        _, change = jax.jvp(lambda *v: _compute(*jax.tree.unflatten(structure, v)), tuple(leaves), tuple(directions))
        if leaf is deficit:  # Price's theorem, exact at perfect correlation too
            by_price = -safe_sqrt(q1) * safe_sqrt(q2) * result.pairs.derivative
            change = change._replace(pairs=Moments(by_price, change.pairs.derivative))
        total = jax.tree.map(partial(_add_product, tangent), total, change)
    return result, total


def _add_product(tangent: Values, total: Values, change: Values) -> Values:
    """`total + change tangent`; a row's moments do not move with the other row nor with the correlation."""
    fits = jnp.broadcast_shapes(jnp.shape(tangent), total.shape) == total.shape
    return total + change * tangent if fits else total


for _kind in (nn.Tanh, nn.Sigmoid, nn.Silu, nn.Softplus, nn.Elu, nn.Selu, nn.Mish, nn.HardTanh, nn.Elementwise):
    dual.register(_kind)(quadrature_dual)
    moments.register(_kind)(quadrature_moments)
