"""From an input to the number of its cell."""

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.domain import Box
from nnlimits.approximation.minimum_width.layers import Expression, Layers
from nnlimits.approximation.minimum_width.precision import Bits


def encoder(layers: Layers, domain: Box, bits: Bits, mantissa: int) -> Expression:
    """The number of the cell among 2^(d K), the first coordinate in the highest digits; d + 1 units in each layer.

    Each coordinate t in [0, 2^K] becomes a staircase, in place: the unit that held it holds what is still to climb, and one more
    the step reached. Between steps j and j + 1 there is a ramp of width 2^-s. The number is an integer outside of the ramps.

    In floating point it is one everywhere: adding and subtracting a large constant rounds t to a multiple of 2^-s, and all
    that follows is exact (see `precision.py`).
    """
    scale = 2.0**bits.inputs / domain.sides
    large = 2.0 ** (mantissa - 1 - bits.ramps)
    offset = large - np.asarray(domain.lower) * scale
    shifted = [factor * x + layers.constant(add) for x, factor, add in zip(layers.inputs(), scale, offset, strict=True)]
    held = layers.relu(*shifted)
    held = layers.relu(*(unit - layers.constant(large) for unit in held))
    code: list[Expression] = []
    for _ in range(domain.dimension):
        coordinate, *others = held
        step, others = _staircase(layers, coordinate, others + code, bits)
        held = others[: len(others) - len(code)]
        code = [2.0**bits.inputs * others[-1] + step if code else step]
    return code[0]


def _staircase(
    layers: Layers, climb: Expression, held: list[Expression], bits: Bits
) -> tuple[Expression, list[Expression]]:
    """The largest integer not above `climb` and below 2^K, with ramps; `held` is passed on.

    The step is raised by the maximum with a steep line through the next ramp and the minimum with the next integer. The maximum
    of y and an affine expression l is `relu(y - l) + l`, the minimum `l - relu(l - y)`: one unit each, if what l needs is held.
    """
    steep = 2.0**bits.ramps
    step = layers.constant(0.0)
    for j in range(2**bits.inputs - 1):
        above, climb, *held = layers.relu(step - _line(layers, climb, j, steep), climb, *held)
        step = above + _line(layers, climb, j, steep)
        below, climb, *held = layers.relu(layers.constant(j + 1) - step, climb - layers.constant(1), *held)
        step = layers.constant(j + 1) - below
    return step, held


def _line(layers: Layers, climb: Expression, j: int, steep: float) -> Expression:
    """From j at the beginning of the next ramp, where 1 is left to climb, to j + 1 at its end."""
    return steep * climb + layers.constant(j - steep)


def cell_centres(domain: Box, bits: int) -> Float[np.ndarray, "cells d"]:
    """The centres of the cells, in the order of their numbers."""
    unit = (np.arange(2**bits) + 0.5) / 2**bits
    axes = [low + unit * side for low, side in zip(domain.lower, domain.sides, strict=True)]
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
