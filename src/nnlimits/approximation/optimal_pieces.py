"""How well a sawtooth is approximated by functions of few linear pieces."""

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.relu_calculus import ReluNetwork, piecewise_linear
from nnlimits.progress import Advance, ignore

_CELLS = 2**11
"""Of the grid. Finer ones prove more, and take time and memory by the square."""

_ROUNDING = 1e-13
"""More than sums of squared errors, which are at most 1/12, are wrong by."""


def least_error_of_pieces(k: int, most: int, advance: Advance = ignore) -> Float[np.ndarray, " most"]:
    """For P = 1, ..., `most`, how far every function of P linear pieces is from `sawtooth(k)` in L^2[0, 1], at least.

    Dynamic programming over the intervals of a grid: the least sum of squared errors of best lines on P intervals. Where a
    piece ends is known up to a cell of the grid, and that cell counts as without error; so the bound holds for all
    breakpoints, and for functions that jump. Rounding is taken off.
    """
    costs = _line_errors(k, _CELLS)
    least = costs[0]  # least[j]: up to the knot j with the pieces so far
    errors = [least[-1]]
    for _ in range(1, most):
        # the next piece starts one knot behind the last one's end, or at the same knot of the end and is empty
        least = np.minimum(least, (least[:-1, None] + costs[1:]).min(axis=0))
        errors.append(least[-1])
        advance("pieces")
    return np.sqrt(np.maximum(np.array(errors) - _ROUNDING, 0.0))


def shallow_sawtooth(k: int, units: int) -> ReluNetwork:
    """A network of one hidden layer with P units at most, close to `sawtooth(k)` in L^2[0, 1]: it follows P - 1 pieces, the last
    one up to 1/2, and stays at 1/2; with 2^k units it is the sawtooth."""
    if units >= 2**k:
        knots = np.arange(2**k + 1) / 2**k
        return piecewise_linear(knots, np.arange(2**k + 1) % 2.0)
    knots = np.append(np.arange(units - 1), units - 1.5 if units > 1 else 1.0) / 2**k
    values = np.append(np.arange(units - 1) % 2.0, 0.5)
    if units == 1:
        return piecewise_linear([0.0, 1.0], [0.5, 0.5])
    return piecewise_linear(knots, values)


def achieved_by_pieces(k: int, units: int) -> float:
    """The L^2[0, 1] distance of `shallow_sawtooth(k, units)` from `sawtooth(k)`, integrated exactly.

    Both are linear between the multiples of `2^-(k+1)`, where Simpson's rule is exact for squares.
    """
    grid = np.arange(2 ** (k + 2) + 1) / 2 ** (k + 2)
    target = np.interp(grid, np.arange(2**k + 1) / 2**k, np.arange(2**k + 1) % 2.0)
    squares = (shallow_sawtooth(k, units)(grid[:, None])[:, 0] - target) ** 2
    weights = np.where(np.arange(len(grid)) % 2 == 1, 4.0, 2.0)
    weights[[0, -1]] = 1.0
    return float(np.sqrt(weights @ squares / weights.sum()))


def _line_errors(k: int, cells: int) -> Float[np.ndarray, "knots knots"]:
    """The squared error of the best line from the i-th knot to the j-th, infinite where j is before i."""
    grid = np.arange(cells + 1) / cells
    middle, step = (grid[1:] + grid[:-1]) / 2, 1 / cells
    target = np.interp(grid, np.arange(2**k + 1) / 2**k, np.arange(2**k + 1) % 2.0) - 0.5
    mean, slope = (target[1:] + target[:-1]) / 2, np.diff(target) / step

    def cumulative(parts: Float[np.ndarray, " cells"]) -> Float[np.ndarray, "knots knots"]:
        sums = np.concatenate([[0.0], np.cumsum(parts)])
        return sums[None, :] - sums[:, None]

    # integrals of s, s^2 and x s over each cell, on which s is linear
    zero, one = cumulative(mean * step), cumulative(step * (middle * mean) + slope * step**3 / 12)
    square = cumulative(step * mean**2 + slope**2 * step**3 / 12)
    length, centre = grid[None, :] - grid[:, None], (grid[None, :] + grid[:, None]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = square - zero**2 / length - 12 * (one - centre * zero) ** 2 / length**3
    return np.where(length > 0, np.maximum(errors, 0.0), np.where(length == 0, 0.0, np.inf))
