"""Depth and width to infinity together, at a fixed ratio: the covariance of shaped networks diffuses (Li, Nica & Roy 2022)."""

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from nnlimits import nn
from nnlimits.compute.precision import precision_of
from nnlimits.kernels.shaped_flow import shaped_flow
from nnlimits.kernels.shaped_smooth import SmoothShape, deficit_flow, smooth_shape, variance_flow
from nnlimits.nn.fields import as_integer
from nnlimits.validation import check_inputs, check_non_negative

_ROUNDING = 1e-6
"""By how much, relative to the largest variance, a covariance may be asymmetric or have an eigenvalue below zero."""


class CovarianceSamples(NamedTuple):
    """The covariances of m inputs in independent random networks."""

    covariances: Float[np.ndarray, "samples m m"]
    """Of one network each: given it, the outputs are Gaussian with this covariance. Infinite where `exploded`."""

    @property
    def exploded(self) -> Bool[np.ndarray, " samples"]:
        """Whose variances have left all bounds, as those of smooth activations with `3 c2^2 / 4 + c3 >= 0` can."""
        return np.logical_not(np.isfinite(self.covariances).all((1, 2)))

    @property
    def mean(self) -> Float[np.ndarray, "m m"]:
        """The mean over networks: the covariance of the outputs."""
        return self.covariances.mean(0)

    @property
    def standard_error(self) -> Float[np.ndarray, "m m"]:
        """Of `mean`."""
        return self.covariances.std(0, ddof=1) / np.sqrt(len(self.covariances))

    @property
    def correlations(self) -> Float[np.ndarray, "samples m m"]:
        """Covariances over the roots of variances; NaN where `exploded`."""
        finite = np.where(self.exploded[:, None, None], np.nan, self.covariances)
        roots = np.sqrt(np.diagonal(finite, axis1=1, axis2=2))
        return np.clip(finite / (roots[:, :, None] * roots[:, None, :]), -1.0, 1.0)

    def quantiles(self, levels: Any) -> Float[np.ndarray, "levels m m"]:
        """Quantiles of each covariance, at levels in [0, 1].

        **Raises:** `TypeError` or `ValueError` for other levels.
        """
        levels = np.atleast_1d(levels)
        if levels.dtype.kind not in "iuf":
            raise TypeError(f"levels must be numbers in [0, 1]; received {levels!r}")
        outside = levels[~((levels >= 0) & (levels <= 1))]
        if outside.size:
            raise ValueError(f"levels must be in [0, 1]; received {outside[0]}")
        return np.quantile(self.covariances, levels, axis=0)


def covariance_samples(
    covariance: Float[Array | np.ndarray, "m also_m"],
    activation: nn.Layer,
    depth_to_width: float,
    key: PRNGKeyArray,
    *,
    samples: int = 4096,
    steps: int = 64,
) -> CovarianceSamples:
    """Draws of the covariance behind `nn.Repeat(nn.Sequential(activation, nn.Dense(n)), d)`, as n and d grow at d / n fixed.

    With the share s of layers, and `T = d / n`, it follows (Li, Nica & Roy 2022, in the time `T s`)

        dV = b(V) ds + sqrt(T) V^(1/2) dG V^(1/2),

    where G is a symmetric matrix of Brownian motions, those on its diagonal of variance 2 s. The drift is, with the constants of
    `activation`, which go with the depth,

        b_ab = nu(rho_ab) sqrt(V_aa V_bb),    nu = (c_plus - c_minus)^2 / (2 pi) (sqrt(1 - rho^2) - rho arccos(rho)),

    of a shaped rectifier, and of a smooth activation

        b_ab = c2^2 / (4 a^2) (V_aa V_bb + V_ab (2 V_ab - 3)) + c3 / (2 a^2) V_ab (V_aa + V_bb - 2).

    At `T = 0` it is the limit of infinite width first. It approximates a network of width n and depth d to the order
    `1/sqrt(n)`.

    Half a step is the drift, whose flow is known; then comes a step of the noise, and the other half. That
    multiplies a Cholesky factor by a random triangular matrix, log-normal on its diagonal, so that V
    stays positive semi-definite, with exact means of the noise alone, and log-normal variances. The error in
    distribution is of order `steps^-2` for two inputs, and `steps^-1`, with a small constant, for more.

    **Arguments:** `covariance` (m, m), that of the inputs of the first block; `activation`, an `nn.ShapedRelu` or
    an `nn.Shaped`; `depth_to_width`, T, at least 0; `key`, a JAX random key; `samples`, how many networks, two or more; `steps`,
    of the solver.

    **Raises:** `TypeError` for another activation; `ValueError` unless the covariance is symmetric and positive semi-definite
    with positive variances, and the numbers are in their range.
    """
    drift = _drift_of(activation)
    check_non_negative("depth_to_width", depth_to_width)
    as_integer("samples", 2, samples)
    as_integer("steps", 1, steps)
    start = checked_covariance(covariance)
    with precision_of(start):
        keys = jax.random.split(key, samples)
        of_dtype = jax.tree.map(lambda value: jnp.asarray(value, start.dtype), (start, drift, depth_to_width))
        return CovarianceSamples(np.asarray(_samples(*of_dtype, keys, steps)))


class _OfRectifier(eqx.Module):
    """The drift of shaped rectifiers: correlations alone move, in closed form."""

    strength: Any

    def __call__(self, covariance: Array, share: Array) -> Array:
        roots = jnp.sqrt(jnp.diagonal(covariance))
        scale = roots[:, None] * roots[None, :]
        after = scale * (1 - shaped_flow(_deficits(covariance, scale), self.strength * share))
        return jnp.where(jnp.eye(len(roots), dtype=bool), covariance, after)


class _OfSmooth(eqx.Module):
    """The drift of smooth activations: exact of variances, and of correlations of fourth order in the share."""

    shape: SmoothShape

    def __call__(self, covariance: Array, share: Array) -> Array:
        before = jnp.diagonal(covariance)
        deficits = _deficits(covariance, jnp.sqrt(before[:, None] * before[None, :]))
        deficits = deficit_flow(deficits, before[:, None], before[None, :], self.shape, share, steps=1)
        roots = jnp.sqrt(variance_flow(before, self.shape.growth, share))
        after = roots[:, None] * roots[None, :] * (1 - deficits)
        return jnp.where(jnp.eye(len(roots), dtype=bool), roots**2, after)


def _drift_of(activation: Any) -> _OfRectifier | _OfSmooth:
    if isinstance(activation, nn.Shaped):
        return _OfSmooth(smooth_shape(activation))
    if isinstance(activation, nn.ShapedRelu):
        return _OfRectifier(strength_of(activation))
    raise TypeError(
        f"activation must be an nn.ShapedRelu or an nn.Shaped, such as nn.Shaped(nn.Tanh(), 1.0); received {activation!r}"
    )


def _deficits(covariance: Array, scale: Array) -> Array:
    return jnp.clip(1 - covariance / scale, 0.0, 2.0)


def strength_of(activation: Any) -> float:
    """`(c_plus - c_minus)^2`.

    **Raises:** `TypeError` for an activation that is not a shaped rectifier.
    """
    if not isinstance(activation, nn.ShapedRelu):
        raise TypeError(
            f"activation must be an nn.ShapedRelu, such as nn.ShapedRelu(0.0, -1.0); received {activation!r}. With nn.Shaped "
            "correlations depend on variances, and are no diffusion by themselves: covariance_samples draws both"
        )
    return (float(activation.c_plus) - float(activation.c_minus)) ** 2


def checked_covariance(covariance: Any) -> np.ndarray:
    """A covariance matrix, symmetric.

    **Raises:** `ValueError` unless it is a covariance.
    """
    given = np.asarray(check_inputs("covariance", covariance))
    if given.shape[0] != given.shape[1]:
        raise ValueError(f"covariance must be a square matrix; received shape {given.shape}")
    variances = np.diag(given)
    if not (variances > 0).all():
        at = int(np.argmin(variances))
        raise ValueError(f"covariance must have positive variances; received {variances[at]} at index ({at}, {at})")
    allowed = _ROUNDING * variances.max()
    if np.abs(given - given.T).max() > allowed:
        raise ValueError(
            "covariance must be symmetric; received a matrix that differs from its transpose by "
            f"{np.abs(given - given.T).max():.3g}"
        )
    lowest = float(np.linalg.eigvalsh(given)[0])
    if lowest < -allowed:
        raise ValueError(f"covariance must be positive semi-definite; received one with the eigenvalue {lowest:.3g}")
    return (given + given.T) / 2


@partial(jax.jit, static_argnames="steps")
def _samples(start: Array, drift: Any, ratio: Array, keys: Array, steps: int) -> Array:
    half, of_noise = jnp.asarray(1 / (2 * steps), start.dtype), ratio / steps

    def sample(key: Array) -> Array:
        def step(covariance: Array, own: Array) -> tuple[Array, None]:
            drifted = drift(covariance, half)
            factor = _cholesky(drifted) @ _random_factor(own, len(start), of_noise, start.dtype)
            after = drift(factor @ factor.T, half)
            return jnp.where(jnp.isfinite(after).all(), after, jnp.inf), None

        return jax.lax.scan(step, start, jax.random.split(key, steps))[0]

    return jax.vmap(sample)(keys)


def _cholesky(covariance: Array) -> Array:
    """A factor of a matrix that may be singular: where nothing is left of a variance, its column is zero."""
    size, rest, columns = len(covariance), covariance, []
    for i in range(size):
        pivot = rest[i, i]
        some = pivot > 4 * jnp.finfo(rest.dtype).eps * covariance[i, i]
        inverse = jnp.where(some, jax.lax.rsqrt(jnp.where(some, pivot, 1.0)), 0.0)
        column = jnp.where(jnp.arange(size) >= i, rest[:, i] * inverse, 0.0)
        columns.append(column)
        rest = rest - column[:, None] * column[None, :]
    return jnp.stack(columns, 1)


def _random_factor(key: Array, size: int, time: Array, dtype: Any) -> Array:
    """A lower triangular T with `E[T T'] = 1`: the increment of the Cholesky factor that Brownian motion makes in a short time.

    The diagonal of G moves `log T_ii` by half of a normal variable of variance `2 time`; the means of squares fall with the
    index, by what the entries beside them add (Bartlett's decomposition, of a sample covariance of `1 / time` units). Half of the
    diagonal's move comes before that of the others, and half after.
    """
    normal = jax.random.normal(key, (size + 2, size), dtype)
    index = jnp.arange(size, dtype=dtype)
    halves = jnp.exp(jnp.sqrt(time) / 2 * normal[:2] - time / 4 * (1 + index))
    mean = jnp.exp(-index * time / 2)  # of the square of a half
    beside = mean * (jnp.cumsum(mean) - mean)
    variance = jnp.where(index > 0, (1 - mean**2) / jnp.where(index > 0, beside, 1.0), 0.0)
    below = jnp.tril(normal[2:], -1) * jnp.sqrt(variance)[:, None]
    return halves[0][:, None] * (jnp.eye(size, dtype=dtype) + below) * halves[1][None, :]
