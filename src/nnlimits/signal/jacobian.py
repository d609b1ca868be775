"""Singular values of the input-output Jacobian of an infinitely wide network: moments at every depth, and their whole law.

The Jacobian of a chain is a product of slopes and weights, which are free of one another at infinite width, so that the
S-transform of its squared singular values is the product of theirs (Pennington, Schoenholz & Ganguli 2017, 2018).
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits import nn
from nnlimits.signal.free_product import FreeProduct, law
from nnlimits.signal.slopes import Factors, factors
from nnlimits.validation import check_positive

_MASS = 5e-3
"""Greatest error of the total mass."""
_CHOICES = ("gaussian", "orthogonal")


class JacobianMoments(NamedTuple):
    """Of the squared singular values, after each layer of the network."""

    mean: Float[np.ndarray, " layers"]
    """Their mean: `chi_perp` to the power of the depth, for equal blocks at a fixed point."""
    spread: Float[np.ndarray, " layers"]
    """Their variance in units of the squared mean."""

    @property
    def isometry(self) -> str:
        """Whether all singular values stay near one (dynamical isometry), in words."""
        mean, spread = float(self.mean[-1]), float(self.spread[-1])
        if abs(np.log(mean)) > 1:
            return f"no: the mean square of the singular values is {mean:.3g}"
        if spread > 1:
            return f"no: it holds on average (mean square {mean:.3g}), but the squares vary by {spread**0.5:.3g} times their mean"
        return f"yes: mean square {mean:.3g}, and the squares vary by {spread**0.5:.2g} times their mean"


class JacobianSpectrum(NamedTuple):
    """The law of the singular values of a square Jacobian."""

    singular_values: Float[np.ndarray, " n"]
    """Ascending, over the support of the continuous part."""
    density: Float[np.ndarray, " n"]
    """Of singular values there."""
    cumulative: Float[np.ndarray, " n"]
    """The share of singular values up to there, those that are zero included."""
    zero: float
    """The share of singular values that are zero."""
    atom: tuple[float, float]
    """The one other singular value that a positive share can have, and that share: between orthogonal weights, that of units on
    the linear part of `HardTanh` in every layer, say.
    """
    moments: JacobianMoments


def jacobian_moments(network: nn.Layer, *, weights: str = "gaussian", variance: float = 1.0) -> JacobianMoments:
    """Mean and spread of the squared singular values of the Jacobian, after each layer.

    **Arguments:** `network`, a chain of affine layers and activations, all as wide as the input; `weights`, `"gaussian"` or
    `"orthogonal"`; `variance`, the mean square of the input's features.

    **Raises:** `ValueError` for a bad choice; `NotImplementedError` for a layer that is neither affine nor an activation.

    Pennington, Schoenholz & Ganguli 2018, section 3.
    """
    return _moments(factors(network, _checked(weights, variance)), weights)


def jacobian_spectrum(
    network: nn.Layer, *, weights: str = "gaussian", variance: float = 1.0, points: int = 1000
) -> JacobianSpectrum:
    """The law of the singular values of the Jacobian.

    **Arguments:** as of `jacobian_moments`; `points`, at how many singular values.

    **Raises:** as `jacobian_moments`.

    Pennington, Schoenholz & Ganguli 2017, section 2; 2018, section 4.
    """
    found = factors(network, _checked(weights, variance))
    moments = _moments(found, weights)
    gaussian = len(found.scales) if weights == "gaussian" else 0
    scale = float(np.prod(np.square(found.scales)))
    values, density, masses, zero, (atom, share) = law(
        FreeProduct(scale, gaussian, found.slopes), float(moments.spread[-1]), points
    )
    total = zero + share + masses.sum()
    if abs(total - 1) > _MASS:
        raise ArithmeticError(
            f"the law of the singular values could not be followed: its mass is {total:.4f}; jacobian_moments gives its moments"
        )
    singular_values = np.sqrt(values)
    cumulative = zero + np.cumsum(masses) - masses / 2 + np.where(values >= atom, share, 0.0)
    return JacobianSpectrum(
        singular_values, 2 * density / singular_values, cumulative, zero, (atom**0.5, share), moments
    )


def _moments(found: Factors, weights: str) -> JacobianMoments:
    scales, slopes = iter(found.scales), iter(found.slopes)
    means, spreads = [1.0], [0.0]
    for kind in found.order:
        if kind == "dense":
            mean, spread = next(scales) ** 2, float(weights == "gaussian")
        else:
            law_of_slope = next(slopes)
            mean, spread = law_of_slope.mean, law_of_slope.spread
        means.append(means[-1] * mean)
        spreads.append(spreads[-1] + spread)
    return JacobianMoments(np.asarray(means[1:]), np.asarray(spreads[1:]))


def _checked(weights: Any, variance: float) -> float:
    if weights not in _CHOICES:
        raise ValueError(f"weights must be one of {', '.join(map(repr, _CHOICES))}; received {weights!r}")
    check_positive("variance", variance)
    return variance
