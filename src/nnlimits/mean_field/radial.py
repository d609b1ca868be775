"""Neurons whose directions are uniform: their length alone is left, and inputs count by their length."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import special, stats

from nnlimits import nn
from nnlimits.mean_field.neurons import Positions
from nnlimits.mean_field.risk import EmpiricalRisk
from nnlimits.mean_field.units import Units
from nnlimits.validation import check_positive

_ANGLES, _POINTS, _LENGTHS = 2000, 4096, 200
_TAIL = 1e-12
"""Probability of longer inputs that is left out."""


class Radial(Units):
    """`sigma(x; r) = h(r |x|)`, `h(t) = E[phi(t cos angle)]` over a uniform direction in `dimension` dimensions.

    What a neuron `phi(<w, x>)` without readout weight computes on average over the directions of w, as in data without a
    preferred direction (Mei, Montanari & Nguyen 2018, section 3.1). Inputs x have one column, their length.

    **Arguments:** `activation`; `dimension`, at least 2; `reach`, up to which `t` the function h is tabulated (at 4,096 points,
    each by Gauss & Jacobi's rule with 2,000 nodes; between them by cubics), and beyond which it is continued by a line.
    """

    activation: nn.Activation
    dimension: int = eqx.field(static=True)
    reach: float = eqx.field(static=True)
    outputs: int = eqx.field(static=True)
    table: np.ndarray
    """h and its derivative at equal distances from 0 to `reach`."""

    def __init__(self, activation: nn.Activation, dimension: int, reach: float = 200.0) -> None:
        if not isinstance(activation, nn.Activation):
            raise TypeError(
                f"activation must be an activation of nnlimits.nn, such as nn.Relu(); received {activation!r}"
            )
        if isinstance(dimension, bool) or not isinstance(dimension, int) or dimension < 2:
            raise ValueError(f"dimension must be a whole number of at least 2; received {dimension!r}")
        check_positive("reach", reach)
        self.activation, self.dimension, self.reach, self.outputs = activation, dimension, float(reach), 1
        self.table = _tabulated(activation, dimension, float(reach))

    @property
    def size(self) -> int:
        return 1

    def unit(self, theta: Float[Array | np.ndarray, " p"], x: Float[Array | np.ndarray, "n d"]) -> Float[Array, "n o"]:
        return self._average(jnp.asarray(theta)[0] * jnp.asarray(x))

    def apply(self, neurons: Any, x: Float[Array | np.ndarray, "n d"]) -> Float[Array, "n o"]:
        values = self._average(jnp.asarray(x) * jnp.asarray(neurons.positions)[:, 0])
        return values @ jnp.asarray(neurons.masses)[:, None]

    def correlate(self, positions: Positions, x: Float[Array | np.ndarray, "n d"], pull: Float[Array, "n o"]) -> Array:
        return (self._average(jnp.asarray(x) * jnp.asarray(positions)[:, 0]) * pull).sum(0)

    def _average(self, products: Float[Array, "..."]) -> Float[Array, "..."]:
        """h, by Hermite's cubics between the points of the table; even, as directions are."""
        step = self.reach / (self.table.shape[1] - 1)
        place = jnp.abs(products) / step
        cell = jnp.clip(jax.lax.stop_gradient(place).astype(jnp.int32), 0, self.table.shape[1] - 2)
        s = place - cell
        values, slopes = jnp.asarray(self.table, products.dtype) * jnp.asarray([[1.0], [step]], products.dtype)
        (a, b), (da, db) = (values[cell], values[cell + 1]), (slopes[cell], slopes[cell + 1])
        cubic = a + s * (da + s * (3 * (b - a) - 2 * da - db + s * (2 * (a - b) + da + db)))
        return jnp.where(s > 1, b + (s - 1) * db, cubic)


def _tabulated(activation: nn.Activation, dimension: int, reach: float) -> Float[np.ndarray, "2 points"]:
    alpha = (dimension - 3) / 2
    nodes, weights = special.roots_jacobi(_ANGLES, alpha, alpha)
    keep = weights > 1e-18 * weights.sum()
    nodes, weights = nodes[keep], weights[keep] / weights.sum()
    with jax.enable_x64(True):
        products = jnp.linspace(0, reach, _POINTS)[:, None] * nodes
        value, slope = jax.jvp(activation, (products,), (jnp.broadcast_to(nodes, products.shape),))
        return np.stack([np.asarray(value) @ weights, np.asarray(slope) @ weights])


def radial_classes(
    units: Radial, classes: Sequence[tuple[float, float, float]], dtype: Any = np.float64
) -> EmpiricalRisk:
    """The risk of `GaussianClasses` with isotropic classes, for neurons by their length: half the mean square error.

    **Arguments:** `units`; `classes`, of `(probability, target, std)`, the inputs of a class being `std z` for standard normal
    z in `units.dimension` dimensions; the integral over their length is by Gauss & Legendre's rule with 200 nodes a class.

    **Raises:** `ValueError` for probabilities that do not add up to one, or a std that is not positive.
    """
    total = sum(p for p, _, _ in classes)
    if any(p < 0 for p, _, _ in classes) or abs(total - 1) > 1e-6:
        raise ValueError(f"probabilities must be at least 0 and add up to 1; they add up to {total:g}")
    if any(not std > 0 for _, _, std in classes):
        raise ValueError(f"std must be positive in every class; received {[std for _, _, std in classes]}")
    length = stats.chi(units.dimension)
    low, high = length.ppf(_TAIL), length.isf(_TAIL)
    nodes, weights = np.polynomial.legendre.leggauss(_LENGTHS)
    nodes = low + (high - low) * (nodes + 1) / 2
    weights = weights * length.pdf(nodes)
    weights /= weights.sum()
    lengths = np.concatenate([std * nodes for _, _, std in classes])[:, None].astype(dtype)
    targets = np.repeat([y for _, y, _ in classes], _LENGTHS)[:, None].astype(dtype)
    shares = np.concatenate([p * weights for p, _, _ in classes])
    return EmpiricalRisk(units, lengths, targets, weights=shares)
