"""From the number of a cell to any number."""

import numpy as np
from jaxtyping import Int

from nnlimits.approximation.minimum_width.layers import Expression, Layers

BLOCK = 16
"""Codes after which distances are measured anew: it bounds the digits that lines need."""


def memorizer(layers: Layers, code: Expression, values: Int[np.ndarray, " codes"], size: int) -> Expression:
    """`values[code]` for the integers 0, 1, ..., and something in [0, size) between them; two units in each layer.

    **Arguments:** `layers`, to which one layer is added for each code; `code`; `values`, in [0, size).

    The function so far is right up to some code, and beyond it falls or rises steeply, by `size` for each code. Where it falls,
    the maximum with a steep rising line through the next value sets that value, and changes none before; where it rises, the
    minimum with a falling line does. One unit holds the function, the other the distance to the first code of the block,
    zero before it. So a value, once set, is later compared with lines within 17 sizes only, and stays exact.
    """
    y = layers.constant(float(values[0])) - float(size) * code
    beyond, rising = code, False
    start = 0
    for j in range(1, len(values)):
        if j - 1 - start == BLOCK:
            y, beyond = layers.relu(y, beyond - layers.constant(BLOCK))
            start += BLOCK
        sign = -1.0 if rising else 1.0
        line = _line(layers, beyond, float(values[j]), sign * size, j - start)
        gap, beyond = layers.relu(sign * (y - line), beyond)
        y = sign * gap + _line(layers, beyond, float(values[j]), sign * size, j - start)
        rising = not rising
    (y,) = layers.relu(y)
    (below,) = layers.relu(layers.constant(float(size - 1)) - y)
    return layers.constant(float(size - 1)) - below


def _line(layers: Layers, beyond: Expression, value: float, slope: float, distance: int) -> Expression:
    """Through `value` at a distance."""
    return slope * beyond + layers.constant(value - slope * distance)


def memorizer_depth(codes: int) -> int:
    """The number of layers that `memorizer` adds."""
    return codes - 1 + max(0, codes - 2) // BLOCK + 2
