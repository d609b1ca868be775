"""The factors of the input-output Jacobian of an infinitely wide chain of dense layers and activations."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nnlimits import nn
from nnlimits.kernels.panels import PLAIN, gaussian_panels, panel_ends
from nnlimits.signal.block import written_out
from nnlimits.signal.propagation import propagate

_ORDER = 24
"""Nodes of a panel: the law of the slopes is continuous, and fewer show as ripples in that of a product."""


class Slopes(NamedTuple):
    """The law of the squared slope `phi'(h)^2` of one activation's units, as atoms; exact where the slope takes few values."""

    values: Float[np.ndarray, " atoms"]
    weights: Float[np.ndarray, " atoms"]

    @property
    def mean(self) -> float:
        """The first moment."""
        return float(self.values @ self.weights)

    @property
    def spread(self) -> float:
        """The variance in units of the squared mean."""
        return float(self.values**2 @ self.weights) / self.mean**2 - 1

    @property
    def at_zero(self) -> float:
        """The share of units without a slope."""
        return float(self.weights[self.values == 0].sum())


class Factors(NamedTuple):
    """A chain's Jacobian as a product of independent matrices, from the input on."""

    scales: tuple[float, ...]
    """`w_std` of each dense layer."""
    slopes: tuple[Slopes, ...]
    """Of each activation."""
    order: tuple[str, ...]
    """`"dense"` or `"activation"`, layer by layer."""


def factors(network: nn.Layer, variance: float) -> Factors:
    """Read the factors off a network whose input has mean square `variance`.

    **Raises:** `NotImplementedError` for a layer that is neither affine nor an activation.
    """
    scales, slopes, order = [], [], []
    row = written_out(network)
    variances = propagate(network, variance=variance).variance
    for layer, q in zip(row, variances, strict=False):
        if isinstance(layer, nn.Dense):
            scales.append(float(layer.w_std))
            order.append("dense")
        elif isinstance(layer, nn.Activation):
            slopes.append(slopes_of(layer, float(q)))
            order.append("activation")
        else:
            raise NotImplementedError(
                f"{layer!r} has no spectrum of its Jacobian here, which is that of chains of affine layers and activations; "
                "moments of any network follow from nnlimits.signal.propagate"
            )
    return Factors(tuple(scales), tuple(slopes), tuple(order))


def slopes_of(activation: nn.Activation, q: float) -> Slopes:
    """The law of `phi'(h)^2` for `h ~ N(0, q)`."""
    with jax.enable_x64(True):
        root = float(np.sqrt(max(q, 1e-200)))
        kinks = [jnp.asarray(kink / root, jnp.float64) for kink in activation.kinks]
        z, w = gaussian_panels(panel_ends(PLAIN, kinks or [jnp.zeros(())]), _ORDER)
        slope = jax.jvp(activation, (root * z,), (jnp.ones_like(z),))[1]
        values, places = np.unique(np.round(np.asarray(slope) ** 2, 14), return_inverse=True)
    weights = np.bincount(places, np.asarray(w))
    kept = weights > 1e-18
    return Slopes(values[kept], weights[kept] / weights[kept].sum())
