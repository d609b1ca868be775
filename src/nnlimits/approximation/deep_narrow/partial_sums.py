"""The hidden units of a shallow network in an order in which they sum well, and where the partial sums lie."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from nnlimits.approximation.deep_narrow.curvature import derivative, lipschitz
from nnlimits.approximation.deep_narrow.hidden_layer import HiddenLayer
from nnlimits.approximation.deep_narrow.passing import MARGIN
from nnlimits.approximation.domain import Box

_CELLS = 4096
_NUMBERS = 1_000_000
"""The largest table of partial sums at the centres of cells."""
_GREEDY_UNITS = 512
_GREEDY_POINTS = 96


class PartialSums(NamedTuple):
    """Bounds of what the accumulators hold before each layer, and of the slopes of the activation."""

    low: Float[np.ndarray, "layers outputs"]
    high: Float[np.ndarray, "layers outputs"]
    lipschitz: float
    """Of the activation where the hidden units use it."""
    proved: bool
    """Whether the bounds are; they are if the activation's slopes are known."""


def well_ordered(layer: HiddenLayer, domain: Box) -> HiddenLayer:
    """The same function, its units in the order in which the largest partial sum on sample points varies least.

    The orders tried: as given, along each axis by where the unit's bias puts it, and greedily, each time the unit after which
    the partial sum varies least.
    """
    points = domain.dense(_GREEDY_POINTS, seed=3)
    terms = _hidden(layer, points)[:, :, None] * layer.outer  # (points, units, outputs)
    orders = [np.arange(layer.units)]
    offsets = (layer.inner_bias + domain.centre @ layer.inner) / np.maximum(np.linalg.norm(layer.inner, axis=0), 1e-300)
    orders += [np.argsort(offsets * np.sign(slopes), kind="stable") for slopes in layer.inner]
    if layer.units <= _GREEDY_UNITS:
        orders.append(_greedy(terms))
    best = min(orders, key=lambda order: np.ptp(np.cumsum(terms[:, order], axis=1), axis=0).max())
    inner, outer = layer.inner[:, best], layer.outer[best]
    return layer._replace(inner=inner, inner_bias=layer.inner_bias[best], outer=outer)


def _greedy(terms: Float[np.ndarray, "points units outputs"]) -> Int[np.ndarray, " units"]:
    order, left = [], np.arange(terms.shape[1])
    total = np.zeros((len(terms), terms.shape[2]))
    while left.size:
        spread = np.ptp(total[:, None] + terms[:, left], axis=0).max(axis=1)
        chosen = int(np.argmin(spread))
        total += terms[:, left[chosen]]
        order.append(left[chosen])
        left = np.delete(left, chosen)
    return np.asarray(order)


def partial_sums(layer: HiddenLayer, domain: Box, stride: int) -> PartialSums:
    """Bounds on the whole domain of the sums of the first 0, stride, 2 stride, ... units.

    Values at the centres of cells, and the Lipschitz constant of each partial sum times the distance within a cell.
    """
    slope = lipschitz(layer.activation, *_reached(layer, domain))
    layers = math.ceil(layer.units / stride)
    cells = max(1, min(_CELLS, _NUMBERS // (layer.units * layer.outer.shape[1])))
    per_axis = max(1, math.floor(cells ** (1 / domain.dimension) + 1e-9))
    bounds = [_on_cells(layer, domain, slope.value, divisions) for divisions in {1, per_axis}]
    lows = np.max([low for low, _ in bounds], axis=0)[::stride][:layers]
    highs = np.min([high for _, high in bounds], axis=0)[::stride][:layers]
    return PartialSums(lows, highs, slope.value, slope.proved)


def _on_cells(
    layer: HiddenLayer, domain: Box, slope: float, divisions: int
) -> tuple[Float[np.ndarray, "sums outputs"], Float[np.ndarray, "sums outputs"]]:
    """Bounds of the sums of the first 0, 1, ... units, from a regular grid of cells."""
    half = domain.sides / divisions / 2
    axes = [
        np.linspace(low + r, high - r, divisions) for low, high, r in zip(domain.lower, domain.upper, half, strict=True)
    ]
    centres = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    terms = _hidden(layer, centres)[:, :, None] * layer.outer
    sums = np.concatenate([np.zeros_like(terms[:, :1]), np.cumsum(terms, axis=1)], axis=1)
    swing = slope * (half @ np.abs(layer.inner))[:, None] * np.abs(layer.outer)
    margin = np.concatenate([np.zeros_like(swing[:1]), np.cumsum(swing, axis=0)])
    return sums.min(axis=0) - margin, sums.max(axis=0) + margin


def _hidden(layer: HiddenLayer, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n units"]:
    return derivative(layer.activation, 0, points @ layer.inner + layer.inner_bias)


def _reached(layer: HiddenLayer, domain: Box) -> tuple[float, float]:
    """Between which numbers, of which one is 0 or beyond, all pre-activations lie, of inputs that drifted by `MARGIN` as well.

    Registers hold inputs in parts of a radius that may be twice the half side.
    """
    middle = domain.centre @ layer.inner + layer.inner_bias
    half = (1 + 2 * MARGIN) * (domain.sides / 2 @ np.abs(layer.inner))
    return min(0.0, float((middle - half).min())), max(0.0, float((middle + half).max()))
