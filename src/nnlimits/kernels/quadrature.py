"""The dual of any elementwise function, by quadrature that stays accurate for kinks, large variances and correlations at +-1.

Each pair is a short Hermite series in the correlation (`series.py`). The pairs for which the series leaves out too much, those of
kinked or steep functions near perfect correlation, are integrated one by one over one unit and the conditional law of the other.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.compute.refine import refine
from nnlimits.kernels.covariance import safe_sqrt, tiny
from nnlimits.kernels.dual import Dual, Moments, dual, moments
from nnlimits.kernels.panels import GRADED, REACH, gaussian_panels, panel_ends
from nnlimits.kernels.series import Row, pair_sums, row
from nnlimits.kernels.smoothing import smoothed

Values = Float[Array, "..."]

_TOLERANCE = {jnp.dtype("float32"): 3e-7, jnp.dtype("float64"): 3e-13}
_ORDER = 12
_CHUNK = 32
_BLUR = (0.0, -0.3, 0.3, -1.0, 1.0, -3.0, 3.0, -9.0, 9.0)


def slope(activation: nn.Layer, x: Values) -> Values:
    """`phi'(x)`, zero-measure kinks aside."""
    return jax.jvp(activation, (x,), (jnp.ones_like(x),))[1]


@partial(jax.custom_jvp)
def quadrature_moments(activation: nn.Layer, q1: Values, q2: Values, deficit: Values) -> Moments:
    """`E[phi(u) phi(v)]` and `E[phi'(u) phi'(v)]`, each to a relative error of 1e-10 (float64) or 1e-6 (float32).

    Relative to `sqrt(E[phi(u)^2] E[phi(v)^2])`, for variances from 1e-6 to 1e6 and any correlation. Differentiable in the
    activation's own parameters too.
    """
    return _moments(activation, q1, q2, deficit)


def _moments(activation: nn.Layer, q1: Values, q2: Values, deficit: Values) -> Moments:
    tolerance = _TOLERANCE[jnp.dtype(q1.dtype)]
    functions = (activation, partial(slope, activation))
    first: list[Row] = [row(f, activation.kinks, q1) for f in functions]
    second: list[Row] = [row(f, activation.kinks, q2) for f in functions]
    (value, derivative), missing = pair_sums(first, second, 1 - deficit, tolerance)
    p1, p2, d = (jnp.broadcast_to(v, value.shape) for v in (q1, q2, deficit))

    def one_by_one(indices):
        return _integrate(activation, p1[indices], p2[indices], d[indices])

    return Moments(*refine(missing > tolerance, (value, derivative), one_by_one, _CHUNK))


def _integrate(activation: nn.Layer, q1: Values, q2: Values, deficit: Values) -> Moments:
    """Both moments of single pairs: outer panels over `u`, inside them the Gaussian average of the activation of `v` given `u`."""
    r1, r2, c = safe_sqrt(q1), safe_sqrt(q2), 1 - deficit
    spread = jnp.sqrt(jnp.maximum(deficit * (2 - deficit), 0.0) + tiny(q1.dtype))
    kinks = sorted({0.0, *activation.kinks})
    # given z, v is centred at r2 c z: its kinks show in the outer integrand, blurred over spread / c
    along = jnp.where(jnp.abs(c) < 0.05, 1.0, c)
    blurred = [jnp.where(jnp.abs(c) < 0.05, 0.0, (k / r2 + b * spread) / along) for k in kinks for b in _BLUR]
    ends = panel_ends(GRADED, blurred + [k / r1 for k in activation.kinks if k != 0])
    z, w = gaussian_panels(ends, _ORDER)
    u = r1[..., None] * z
    mean, std = (r2 * c)[..., None] * z, jnp.broadcast_to((r2 * spread)[..., None], z.shape)
    inner, inner_slope = jax.jvp(lambda m: smoothed(activation, m, std), (mean,), (jnp.ones_like(mean),))
    return Moments((w * activation(u) * inner).sum(-1), (w * slope(activation, u) * inner_slope).sum(-1))


@partial(quadrature_moments.defjvp, symbolic_zeros=True)
def _(primals, tangents):
    """Forward derivatives entry by entry, so that reverse mode never meets the loops; in the correlation, by Price's theorem."""
    activation, q1, q2, deficit = primals
    primals = tuple(primals)
    result = _moments(*primals)
    leaves, structure = jax.tree.flatten(primals)
    moving = jax.tree.leaves(tangents, is_leaf=lambda t: isinstance(t, jax.custom_derivatives.SymbolicZero))
    total = [jnp.zeros_like(result.value), jnp.zeros_like(result.derivative)]
    for k, (leaf, tangent) in enumerate(zip(leaves, moving, strict=True)):
        if isinstance(tangent, jax.custom_derivatives.SymbolicZero):
            continue
        directions = [jnp.zeros_like(v) for v in leaves]
        directions[k] = jnp.ones_like(leaf)
        partial_value, partial_derivative = jax.jvp(
            lambda *values: _moments(*jax.tree.unflatten(structure, values)), tuple(leaves), tuple(directions)
        )[1]
        if leaf is deficit:
            partial_value = -safe_sqrt(q1) * safe_sqrt(q2) * result.derivative
        total[0] += partial_value * tangent
        total[1] += partial_derivative * tangent
    return result, Moments(*total)


def quadrature_dual(activation: nn.Layer, q1: Values, q2: Values, deficit: Values) -> Dual:
    """The dual of a function that has no closed form."""
    from nnlimits.kernels.smooth import assemble

    return assemble(
        quadrature_moments(activation, q1, q2, deficit), _row(activation, q1), _row(activation, q2), q1, q2, deficit
    )


def _row(activation: nn.Layer, q: Values) -> tuple[Values, Values, Values]:
    """For each input: `E[phi^2]`, `E[phi'^2]`, and the deficit at unit log-ratio of variances, to second order."""
    root = safe_sqrt(q)
    moving = [k / root for k in activation.kinks if k != 0] or [jnp.full_like(q, REACH)]
    z, w = gaussian_panels(panel_ends(GRADED, moving), _ORDER)
    x = root[..., None] * z
    value, change = activation(x), slope(activation, x)
    square = (w * value**2).sum(-1)
    # phi(e^(t/2) x) moves by x phi'(x) / 2: its mean square, less the part along phi itself
    stretch, along = (w * (x * change / 2) ** 2).sum(-1), (w * value * x * change / 2).sum(-1)
    safe = square + tiny(q.dtype)
    return square, (w * change**2).sum(-1), jnp.maximum(stretch - along**2 / safe, 0.0) / (2 * safe)


for _kind in (nn.Tanh, nn.Sigmoid, nn.Silu, nn.Softplus, nn.Elu, nn.Selu, nn.Mish, nn.HardTanh, nn.Elementwise):
    dual.register(_kind)(quadrature_dual)
    moments.register(_kind)(quadrature_moments)
