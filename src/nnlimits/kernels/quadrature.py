"""The dual of any elementwise function, by quadrature that stays accurate for kinks, large variances and perfect
correlation.

Each pair is a short Hermite series in the correlation (`series.py`). The pairs for which the series leaves out too
much, those of kinked or steep functions near perfect correlation, are integrated one by one over one unit and the
conditional law of the other.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from nnlimits import nn
from nnlimits.compute.refine import refine
from nnlimits.kernels.covariance import safe_sqrt
from nnlimits.kernels.dual import Dual, Moments, dual, moments
from nnlimits.kernels.panels import GRADED, gaussian_panels, panel_ends
from nnlimits.kernels.per_input import per_input
from nnlimits.kernels.series import ACCURACY, Row, missing, pair_sums, row
from nnlimits.kernels.smooth import Side, assemble, side
from nnlimits.kernels.smoothing import has_closed_form, smoothed_and_slope
from nnlimits.nn.kinks import has_jumps

Values = Float[Array, "..."]

_ORDER = {jnp.dtype("float32"): 8, jnp.dtype("float64"): 12}
# The least spread of one unit given the other, in standard deviations: far below what accuracy needs, and large enough that
# its inverse can be differentiated thrice.
_SHARPEST = {jnp.dtype("float32"): 3e-7, jnp.dtype("float64"): 1e-14}
_BLUR = (0.0, -0.3, 0.3, -1.0, 1.0, -3.0, 3.0, -9.0, 9.0)


def quadrature_moments(activation: nn.Activation, q1: Values, q2: Values, deficit: Values) -> Moments:
    """`E[phi(u) phi(v)]` and `E[phi'(u) phi'(v)]`, to a relative error of 1e-10 in float64 and 1e-6 in float32.

    Relative to `sqrt(E[phi(u)^2] E[phi(v)^2])`, for variances from 1e-6 to 1e6 and any correlation, if the function has
    its structure at its kinks and within a few tens of zero, and no more than some fifty oscillations within the
    Gaussian. Differentiable, in the activation's own parameters too.
    """
    return _moments(activation, q1, q2, deficit, *per_input(partial(row, activation), q1, q2))


def quadrature_dual(activation: nn.Activation, q1: Values, q2: Values, deficit: Values) -> Dual:
    """The dual of a function that has no closed form."""
    (row1, side1), (row2, side2) = per_input(partial(_row_and_side, activation), q1, q2)
    return assemble(_moments(activation, q1, q2, deficit, row1, row2), side1, side2, deficit)


def _row_and_side(activation: nn.Activation, q: Values) -> tuple[Row, Side]:
    found = row(activation, q)
    return found, side(q, found.root[0] ** 2, found.root[1] ** 2, found.curvature)


@jax.custom_jvp
def _moments(activation: nn.Activation, q1: Values, q2: Values, deficit: Values, row1: Row, row2: Row) -> Moments:
    """Both moments of pairs, from the variances and the rows that follow from them."""
    tolerance = ACCURACY[jnp.dtype(q1.dtype)].tolerance
    # a jump makes the derivative's moment move by the square root of the deficit
    same = (deficit < tolerance**2) & (q1 == q2)
    sums = pair_sums(row1, row2, 1 - deficit, same)
    value = jnp.where(same, row1.root[0] * row2.root[0], sums.value)
    slope = jnp.where(same, row1.root[1] * row2.root[1], sums.slope)

    def one_by_one(indices):
        return _integrate(activation, *(_entries(v, indices) for v in (q1, q2, deficit)))

    def refined(value, slope):
        hard = (missing(row1, row2, 1 - deficit) > tolerance) & ~same
        return refine(hard, (value, slope), one_by_one, _chunk(activation))

    return Moments(*jax.lax.cond(sums.worst > tolerance, refined, lambda *rough: rough, value, slope))


def _chunk(activation: nn.Activation) -> int:
    """How many pairs are integrated at once. Their scratch, even if never used, is asked of the system for every tile."""
    return 32 if has_closed_form(activation) else 4


def _entries(values: Values, indices: tuple[Int[Array, " chunk"], ...]) -> Float[Array, " chunk"]:
    """Entries of an array that broadcasts along its axes of length one."""
    found = values[tuple(i if n > 1 else 0 for i, n in zip(indices, values.shape, strict=True))]
    return jnp.broadcast_to(found, indices[0].shape)


def _from_variances(activation: nn.Activation, q1: Values, q2: Values, deficit: Values) -> Moments:
    return _moments.fun(activation, q1, q2, deficit, row(activation, q1), row(activation, q2))


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
    inner, inner_slope = smoothed_and_slope(activation, mean, std)
    return Moments((w * outer * inner).sum(-1), (w * outer_slope * inner_slope).sum(-1))


@partial(_moments.defjvp, symbolic_zeros=True)
def _(primals, tangents):
    """Forward derivatives entry by entry, so that reverse mode never meets the loops; in the correlation, by Price.

    The rows move with the variances and the activation, so their tangents say nothing new.
    """
    result = _moments(*primals)
    primals, tangents = tuple(primals[:4]), tangents[:4]
    leaves, structure = jax.tree.flatten(primals)
    activation, q1, q2, deficit = primals
    moving = jax.tree.leaves(tangents, is_leaf=lambda t: isinstance(t, jax.custom_derivatives.SymbolicZero))
    total = jax.tree.map(jnp.zeros_like, result)
    for k, (leaf, tangent) in enumerate(zip(leaves, moving, strict=True)):
        if isinstance(tangent, jax.custom_derivatives.SymbolicZero):
            continue
        directions = [jnp.ones_like(v) if i == k else jnp.zeros_like(v) for i, v in enumerate(leaves)]
        _, change = jax.jvp(
            lambda *v: _from_variances(*jax.tree.unflatten(structure, v)), tuple(leaves), tuple(directions)
        )
        # Price's theorem, exact at perfect correlation too; the derivative of what jumps is not in the moment
        if leaf is deficit and not (isinstance(activation, nn.Elementwise) and has_jumps(activation)):
            change = Moments(-safe_sqrt(q1) * safe_sqrt(q2) * result.derivative, change.derivative)
        total = jax.tree.map(lambda t, c, tangent=tangent: t + c * tangent, total, change)
    return result, total


for _kind in (nn.Tanh, nn.Sigmoid, nn.Silu, nn.Softplus, nn.Elu, nn.Selu, nn.Mish, nn.HardTanh, nn.Elementwise):
    dual.register(_kind)(quadrature_dual)
    moments.register(_kind)(quadrature_moments)
