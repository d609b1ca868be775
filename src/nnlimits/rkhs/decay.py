"""How fast the eigenvalues of a zonal kernel decay, from its singularities at equal and at opposite inputs."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln, gammasgn

from nnlimits.rkhs.evaluation import KernelFunction
from nnlimits.rkhs.zonal import Zonal, zonal

_CLOSE = np.array([1e-4, 1e-5])
_SMOOTH_SLOPE = 1.5
_DEGREE, _POINTS = 14, 60
_WIDEST, _HALVINGS = 1.0, 8
_RESIDUAL = 1e-13
_ODD = (3, 5)


class Singularity(NamedTuple):
    """`coefficient * (1 - t)^power`, the first term that is no whole power of `1 - t` (or of `1 + t`)."""

    power: float
    """Infinite where there is none."""
    coefficient: float


class Decay(NamedTuple):
    """What the eigenvalues of a zonal kernel approach at high degrees."""

    dimension: int
    equal: Singularity
    """At `t = 1`."""
    opposite: Singularity
    """At `t = -1`."""

    @property
    def exponent(self) -> float:
        """Eigenvalues fall as `k^(-exponent)`: `d - 1 + 2 power` of the stronger singularity, infinite without any."""
        return self.dimension - 1 + 2 * min(self.equal.power, self.opposite.power)

    def eigenvalues(self, degrees: Any) -> Float[np.ndarray, " k"]:
        """Those of the singularities alone, which the kernel's approach at high degrees; exact for powers of `1 - t`.

        Where both singularities are alike and their parts cancel, as in every second degree of a network without biases, zero.
        **Raises:** `ValueError` for a smooth kernel, whose eigenvalues fall faster than any power, or degrees below the powers.
        """
        k = np.atleast_1d(np.asarray(degrees, np.float64))
        if math.isinf(self.exponent):
            raise ValueError(
                "the kernel has no singularity at its ends: its eigenvalues fall faster than any power of k"
            )
        total, largest = np.zeros(len(k)), np.zeros(len(k))
        for end, sign in ((self.equal, np.ones(len(k))), (self.opposite, (-1.0) ** k)):
            if math.isfinite(end.power):
                part = sign * end.coefficient * power_coefficients(self.dimension, end.power, k)
                total, largest = total + part, np.maximum(largest, np.abs(part))
        return np.where(total > 1e-4 * largest, total, 0.0)


def power_coefficients(dimension: int, power: float, degrees: Any) -> Float[np.ndarray, " k"]:
    """The coefficients `mu_k` of `(1 - t)^power` on S^(d-1), for a power that is no whole number.

    From Rodrigues' formula, `mu_k = c (-power)_k / Gamma(power + d - 1 + k)` with `c = 2^(power + d - 2) Gamma(power + (d-1)/2)
    Gamma(d/2) / sqrt(pi)` (Bietti & Bach 2021, theorem 1 and its proof), which falls as `k^(-(d - 1 + 2 power))`.

    **Raises:** `ValueError` for a whole or negative power.
    """
    nu, d, k = float(power), dimension, np.atleast_1d(np.asarray(degrees, np.float64))
    if not (nu > 0 and math.isfinite(nu)) or nu == round(nu):
        raise ValueError(f"power must be positive and no whole number, as (1 - t)^power is singular; received {power}")
    logarithm = (nu + d - 2) * math.log(2) + math.lgamma(nu + (d - 1) / 2) + math.lgamma(d / 2) - math.log(math.pi) / 2
    logarithm = logarithm + gammaln(k - nu) - math.lgamma(-nu) - gammaln(nu + d - 1 + k)
    return gammasgn(k - nu) * gammasgn(-nu) * np.exp(logarithm)


def spectral_decay(kernel: KernelFunction, dimension: int, *, radius: int | float | None = None) -> Decay:
    """The decay of the eigenvalues of a zonal kernel, read off its values near equal and near opposite inputs.

    `k^-d` for the NTK of a ReLU network of any depth on S^(d-1), and `k^-(d+2)` for its NNGP (Bietti & Bach 2021,
    corollaries of theorem 1; Chen & Xu 2021); faster than any power for smooth activations.

    **Arguments:** as of `mercer`. **Raises:** as `mercer`; `ValueError` for a kernel whose singularity is not found: powers of `1
    - t` below 3/4, 3/2 and 5/2 are.
    """
    function = zonal(kernel, dimension, radius)
    return Decay(function.dimension, _singularity(function, False), _singularity(function, True))


def _singularity(function: Zonal, opposite: bool) -> Singularity:
    """As `1 -+ t = theta^2 / 2` at the ends, a power `theta^s` there is `2^(s/2) (1 -+ t)^(s/2)`."""
    at_end, *near = function(np.concatenate([[0.0], _CLOSE]), np.full(3, opposite))
    change = np.abs(np.array(near) - at_end)
    scale = abs(function.diagonal)
    if change[1] > 1e-11 * scale:
        slope = math.log(change[0] / change[1]) / math.log(_CLOSE[0] / _CLOSE[1])
        if slope < _SMOOTH_SLOPE:
            power = round(slope, 3)
            far, close = (np.array(near) - at_end) / _CLOSE**power * 2 ** (power / 2)
            return Singularity(power / 2, float(close + (close - far) * _CLOSE[1] / (_CLOSE[0] - _CLOSE[1])))
    coefficients, width = _taylor(function, opposite)
    for power in _ODD:
        noise = scale * 1e-15 * _DEGREE ** (2 * power) / math.factorial(power) / width**power
        if abs(coefficients[power]) > 10 * noise:
            return Singularity(power / 2, float(coefficients[power] * 2 ** (power / 2)))
    return Singularity(math.inf, 0.0)


def _taylor(function: Zonal, opposite: bool) -> tuple[np.ndarray, float]:
    """Powers of the angle from an end, by a fit on the widest interval on which a polynomial has no error."""
    scale, width = abs(function.diagonal), _WIDEST
    for _ in range(_HALVINGS):
        points = width * (1 - np.cos(np.pi * (np.arange(_POINTS) + 0.5) / _POINTS)) / 2
        values = function(points, np.full(_POINTS, opposite))
        fit = np.polynomial.Chebyshev.fit(points, values, _DEGREE, domain=[0, width])
        if np.abs(fit(points) - values).max() < _RESIDUAL * scale:
            return fit.convert(kind=np.polynomial.Polynomial).coef, width
        width /= 2
    where = "opposite" if opposite else "equal"
    raise ValueError(
        f"the kernel's singularity at {where} inputs is no power that could be found; fit the eigenvalues of "
        "nnlimits.rkhs.mercer at high degrees instead"
    )
