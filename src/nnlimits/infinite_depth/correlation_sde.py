"""The correlation of two inputs in shaped networks of infinite depth and width, by itself: a diffusion in one dimension."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from nnlimits import nn
from nnlimits.infinite_depth.covariance_sde import checked_covariance, strength_of
from nnlimits.nn.fields import as_integer
from nnlimits.validation import check_non_negative

_POINTS = 64


def correlation_samples(
    correlation: float,
    activation: nn.Layer,
    depth_to_width: float,
    key: PRNGKeyArray,
    *,
    samples: int = 4096,
    steps: int = 256,
) -> Float[np.ndarray, " samples"]:
    """Draws of the correlation of two inputs behind infinitely many shaped layers, by diffrax.

    In the share s of layers, with `T = depth_to_width`, it is the Ito diffusion `d rho = [nu(rho) - T rho (1 - rho^2) / 2] ds +
    sqrt(T) (1 - rho^2) dB` (Li, Nica & Roy 2022), solved by Heun's method in Fisher's `z = artanh(rho)`, whose noise
    does not depend on it: `dz = [nu(rho) / (1 - rho^2) + T rho / 2] ds + sqrt(T) dB`, so that Ito and Stratonovich are the same.
    It is a check of `covariance_samples` that has nothing of its method; near -1 the drift of z is steep and needs many steps.

    **Arguments:** `correlation`, at the start, between -1 and 1; the others as for `covariance_samples`.

    **Raises:** as `covariance_samples`; `ValueError` for a correlation out of range.
    """
    import diffrax

    if not -1 < correlation < 1:
        raise ValueError(f"correlation must be above -1 and below 1; received {correlation}")
    check_non_negative("depth_to_width", depth_to_width)
    as_integer("samples", 2, samples)
    as_integer("steps", 1, steps)
    strength, ratio = strength_of(activation), float(depth_to_width)

    def drift(_: Any, z: Array, __: Any) -> Array:
        rho = jnp.tanh(z)
        squared_sine = 1 / jnp.cosh(z) ** 2
        velocity = strength / (2 * math.pi) * (jnp.sqrt(squared_sine) - rho * jnp.arccos(rho))
        return velocity / squared_sine + ratio * rho / 2

    @jax.jit
    @jax.vmap
    def sample(own: Array) -> Array:
        path = diffrax.UnsafeBrownianPath((), own)
        terms = diffrax.MultiTerm(
            diffrax.ODETerm(drift), diffrax.ControlTerm(lambda *_: jnp.asarray(math.sqrt(ratio)), path)
        )
        start = jnp.asarray(math.atanh(correlation))
        found = diffrax.diffeqsolve(
            terms, diffrax.Heun(), 0.0, 1.0, 1 / steps, start, max_steps=2 * steps + 2, adjoint=diffrax.ForwardMode()
        )
        assert found.ys is not None
        return jnp.tanh(found.ys[0])

    with jax.enable_x64(True):
        return np.asarray(sample(jax.random.split(key, samples)))


def mean_kernel(
    covariance: Float[Array | np.ndarray, "m also_m"], activation: nn.Layer, depth_to_width: float
) -> Float[np.ndarray, "m m"]:
    """The mean over networks of what `covariance_samples` draws: the covariance of the outputs, without sampling.

    By homogeneity it is `sqrt(V_aa V_bb) u(1, rho_ab)`, where, by the formula of Feynman and Kac for `E[sqrt(V_aa V_bb) rho]`,

        u_s = [nu + T rho (1 - rho^2) / 2] u_rho + T (1 - rho^2)^2 / 2 u_rho_rho - T (1 - rho^2) / 2 u,    u(0, rho) = rho.

    It is solved by collocation at Chebyshev points of the angle `arccos(rho)`, for `(1 - u) / (1 - rho)`, so that
    one minus the correlation keeps its digits. The outputs are not Gaussian: only their second moments are these.

    **Arguments:** and **Raises:** as `covariance_samples`.
    """
    start = checked_covariance(covariance)
    check_non_negative("depth_to_width", depth_to_width)
    ratios = _deficit_ratios(strength_of(activation), float(depth_to_width))
    roots = np.sqrt(np.diag(start).astype(np.float64))
    scale = roots[:, None] * roots[None, :]
    deficit = np.clip(1 - start / scale, 0.0, 2.0)
    np.fill_diagonal(deficit, 0.0)
    angle = 2 * np.arcsin(np.sqrt(deficit / 2))
    after = deficit * np.polynomial.chebyshev.chebval(2 * angle / np.pi - 1, ratios)
    return (scale * (1 - after)).astype(start.dtype)


def _deficit_ratios(strength: float, ratio: float) -> np.ndarray:
    """`(1 - u(1, cos(theta))) / (1 - cos(theta))`, as a Chebyshev series on [0, pi].

    With `D = 1 - u` and the angle, `D_s = T/2 sin^2 D_tt - (T sin cos + nu / sin) D_t - T/2 sin^2 D + T/2 sin^2`: both ends are
    singular points, at which the smooth solution needs no condition.
    """
    from scipy.linalg import expm

    points = np.polynomial.chebyshev.chebpts1(_POINTS)
    angle = (points + 1) * np.pi / 2
    sine, cosine = np.sin(angle), np.cos(angle)
    deficit = 2 * np.sin(angle / 2) ** 2
    to_series = np.linalg.inv(np.polynomial.chebyshev.chebvander(points, _POINTS - 1))
    first, second = (
        np.polynomial.chebyshev.chebvander(points, _POINTS - 1 - order)
        @ np.polynomial.chebyshev.chebder(np.eye(_POINTS), order, scl=2 / np.pi)
        @ to_series
        for order in (1, 2)
    )
    velocity = strength / (2 * np.pi) * (sine - angle * cosine)
    generator = (
        (ratio / 2 * sine**2)[:, None] * second
        - (ratio * sine * cosine + velocity / sine)[:, None] * first
        - np.diag(ratio / 2 * sine**2)
    )
    system = np.zeros((_POINTS + 1, _POINTS + 1))
    system[:-1, :-1] = generator * deficit / deficit[:, None]
    system[:-1, -1] = ratio / 2 * (1 + cosine)
    return to_series @ (expm(system) @ np.ones(_POINTS + 1))[:-1]
