"""How fast the eigenvalues of a zonal kernel decay, from its singularities at equal and at opposite inputs."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln, gammasgn

from nnlimits.rkhs.evaluation import KernelFunction
from nnlimits.rkhs.singularity import Singularity, singularity
from nnlimits.rkhs.zonal import zonal


class Decay(NamedTuple):
    """What the eigenvalues of a zonal kernel approach at high degrees."""

    dimension: int
    equal: Singularity
    """At `t = 1`."""
    opposite: Singularity
    """At `t = -1`."""

    @property
    def exponent(self) -> float:
        """Eigenvalues fall as `k^(-exponent)`: `d - 1 + 2 power` of the stronger singularity, infinite if none is seen."""
        return self.dimension - 1 + 2 * min(self.equal.power, self.opposite.power)

    def eigenvalues(self, degrees: Any) -> Float[np.ndarray, " k"]:
        """Those of the singularities alone, which the kernel's approach at high degrees; exact for powers of `1 - t`.

        Where both singularities are alike and their parts cancel, as in every second degree of a network without biases, zero.
        **Raises:** `ValueError` for a smooth kernel, whose eigenvalues fall faster than any power, or degrees below the powers.
        """
        k = np.atleast_1d(np.asarray(degrees, np.float64))
        if math.isinf(self.exponent):
            raise ValueError(
                "the kernel has no singularity that stands out of rounding: as far as can be seen, its eigenvalues fall faster "
                "than any power of k"
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
    corollaries of theorem 1; Chen & Xu 2021); faster than any power for smooth activations. A singularity that is
    lost in rounding, as that of the NNGP of a ReLU network whose biases are far larger than its inputs, is not seen; `error` says
    how large it may be.

    **Arguments:** as of `mercer`. **Raises:** as `mercer`; `ValueError` for a kernel whose singularity is not found: powers of `1
    - t` below 1, 3/2 and 5/2 are.
    """
    function = zonal(kernel, dimension, radius)
    return Decay(function.dimension, singularity(function, False), singularity(function, True))
