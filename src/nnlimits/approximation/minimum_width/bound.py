"""The distance in L^p between a function and its values at the centres of cells, rounded and joined by ramps."""

import math
from typing import NamedTuple

import numpy as np

from nnlimits.approximation.domain import Box
from nnlimits.approximation.minimum_width.precision import Bits, mantissa_of


class Claims(NamedTuple):
    """What is claimed of the function."""

    lipschitz: float
    """Between points whose segment meets no jump."""
    jumps: float
    """The measure of the set of jumps, of dimension d - 1: points within r of it have a volume of at most 2 r jumps. 0: none."""


class Parts(NamedTuple):
    """What the bound is made of."""

    cells: float
    """The L^p mean of the distance to the values at centres, over the rest of the domain."""
    quantum: float
    """Half of the largest step between two values of an output, and what rounding adds."""
    odd: float
    """The share of the domain in ramps, or in cells that a jump meets."""
    gap: float
    """The largest difference there."""

    def total(self, p: float) -> float:
        """The bound of the L^p distance."""
        even = self.cells + self.quantum
        largest = max(even, self.gap) or 1.0
        return float(
            largest * ((1 - self.odd) * (even / largest) ** p + self.odd * (self.gap / largest) ** p) ** (1 / p)
        )


def ramp_share(domain: Box, bits: Bits, dtype: np.dtype) -> float:
    """The share of the domain where the cell's number is not the right integer: ramps, and what rounding moves across them."""
    roundoff = 2.0 ** -mantissa_of(dtype)
    size = np.maximum(np.abs(domain.lower), np.abs(domain.upper)) / domain.sides
    moved = 4 * roundoff * 2.0**bits.inputs * (size + 1)
    return float(1 - np.prod(1 - np.minimum(1.0, 2 * 2.0**-bits.ramps + 2 * moved)))


def mean_distance(domain: Box, bits: int, p: float) -> float:
    """A bound of the L^p norm of the distance to the centre of the cell: exact for p = 2."""
    half = domain.diameter / 2**bits / 2
    square = half / math.sqrt(3)
    return square if p <= 2 else float((square**2 * half ** (p - 2)) ** (1 / p))


def parts(
    domain: Box, claims: Claims, bits: Bits, low: np.ndarray, high: np.ndarray, p: float, dtype: np.dtype
) -> Parts:
    """The bound for a function whose values at centres lie between `low` and `high`, one number for each output.

    **Arguments:** `low` and `high`, with jumps, are bounds of the function's values everywhere.
    """
    cell = domain.diameter / 2**bits.inputs
    reached = (
        1 if domain.dimension == 1 else 2
    )  # a cell that a jump meets is within its diagonal, on the line it is one cell
    near = min(1.0, reached * claims.jumps * cell / domain.volume)
    odd = min(1.0, ramp_share(domain, bits, dtype) + near)
    # over the rest the integral is at most that over all of the domain
    cells = claims.lipschitz * mean_distance(domain, bits.inputs, p) / (1 - odd) ** (1 / p) if odd < 1 else 0.0
    roundoff = 4 * 2.0 ** -mantissa_of(dtype) * float(np.max(np.abs(low) + np.abs(high)))
    return Parts(
        cells,
        float(np.max(high - low)) / (2**bits.outputs - 1) / 2 + roundoff,
        odd,
        float(np.max(high - low)) + claims.lipschitz * cell / 2 + roundoff,
    )
