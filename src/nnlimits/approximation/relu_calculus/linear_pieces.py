"""The linear pieces of a ReLU network of one input, counted exactly."""

import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.relu_calculus.affine_map import AffineMap
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.nn.fields import as_integer
from nnlimits.validation import check_instance

_MOST = 2**20
"""With more breakpoints, fractions take too long."""


class LinearPieces(NamedTuple):
    """A piecewise-linear function of one variable."""

    breakpoints: Float[np.ndarray, " breakpoints"]
    """Where its slope changes, rounded to double precision."""
    slopes: Float[np.ndarray, "breakpoints+1 outputs"]
    """Its slope on each piece, from left to right, rounded to double precision."""

    @property
    def count(self) -> int:
        """The number of pieces, one more than breakpoints."""
        return len(self.breakpoints) + 1


def linear_pieces(network: ReluNetwork, domain: Any = None) -> LinearPieces:
    """The pieces of a network of one input, on the whole line or within an interval.

    Breakpoints are followed from layer to layer in exact fractions (parameters in double precision are fractions), so that no
    tolerance decides whether two slopes are the same: the count is that of the function that the parameters define.

    **Raises:** `ValueError` for more than one input, an interval out of order, or more than 2^20 breakpoints.
    """
    check_instance("network", network, ReluNetwork)
    if network.inputs != 1:
        raise ValueError(f"pieces are counted for networks of one input; this one takes {network.inputs}")
    ends = np.asarray((-math.inf, math.inf) if domain is None else domain)
    if ends.shape != (2,) or not np.issubdtype(ends.dtype, np.number) or not ends[0] < ends[1]:
        raise ValueError(f"domain must be two numbers in ascending order; received {domain!r}")
    low, high = ends.tolist()
    path = _affine(_Path([Fraction(0)], [_column([0])], [Fraction(1)], [Fraction(1)]), network.maps[0])
    for one in network.maps[1:]:
        path = _affine(_rectified(_refined(path)), one)
    slopes = np.array(_slopes(path), dtype=object).T  # (intervals, outputs)
    bends = [place for place in range(len(path.knots)) if (slopes[place] != slopes[place + 1]).any()]
    inside = [place for place in bends if low < path.knots[place] < high]
    first = next((place for place in range(len(path.knots)) if path.knots[place] > low), len(path.knots))
    kept = [slopes[first], *(slopes[place + 1] for place in inside)]
    return LinearPieces(np.array([float(path.knots[place]) for place in inside]), np.array(kept).astype(np.float64))


def pieces(network: ReluNetwork, domain: tuple[float, float] | None = None) -> int:
    """The number of `linear_pieces`, exactly. **Raises:** as `linear_pieces`."""
    return linear_pieces(network, domain).count


def piece_bound(*widths: int) -> int:
    """The most pieces that a network of one input with such hidden layers can have: the product of `1 + width`.

    On each piece of what a layer receives, each of its units bends at most once. For L layers of width m this is at most
    Telgarsky's `(2 m)^L` (2015; 2016).

    **Raises:** `ValueError` for a width below 1.
    """
    return math.prod(1 + as_integer("widths", 1, width) for width in widths)


class _Path(NamedTuple):
    """A piecewise-linear map from the line: values at knots, linear between them, slopes on both sides; one column a unit."""

    knots: list[Fraction]
    values: list[Any]
    left: list[Fraction]
    right: list[Fraction]


def _column(numbers: Any) -> Any:
    column = np.empty(len(numbers), dtype=object)
    column[:] = [Fraction(number) for number in numbers]
    return column


def _affine(path: _Path, one: AffineMap) -> _Path:
    columns = one.weight.tocsc()
    values, left, right = [], [], []
    for output in range(one.outputs):
        span = slice(columns.indptr[output], columns.indptr[output + 1])
        terms = [(Fraction(float(w)), i) for w, i in zip(columns.data[span], columns.indices[span], strict=True)]
        start = _column([0] * len(path.knots)) + Fraction(float(one.bias[output]))
        values.append(sum((w * path.values[i] for w, i in terms), start))
        left.append(sum((w * path.left[i] for w, i in terms), Fraction(0)))
        right.append(sum((w * path.right[i] for w, i in terms), Fraction(0)))
    return _Path(path.knots, values, left, right)


def _refined(path: _Path) -> _Path:
    """The same with a knot wherever a column crosses zero."""
    knots = path.knots
    found = set(knots)
    for column, left, right in zip(path.values, path.left, path.right, strict=True):
        if column[0] * left > 0:
            found.add(knots[0] - column[0] / left)
        if column[-1] * right < 0:
            found.add(knots[-1] - column[-1] / right)
        for place in range(len(knots) - 1):
            here, there = column[place], column[place + 1]
            if (here < 0 < there) or (there < 0 < here):
                found.add(knots[place] + (knots[place + 1] - knots[place]) * here / (here - there))
    if len(found) > _MOST:
        raise ValueError(f"the network has more than {_MOST:,} breakpoints; give one that is less deep")
    refined = sorted(found)
    columns = [
        _interpolated(path, refined, column, left, right)
        for column, left, right in zip(path.values, path.left, path.right, strict=True)
    ]
    return _Path(refined, columns, path.left, path.right)


def _interpolated(path: _Path, refined: list[Fraction], column: Any, left: Fraction, right: Fraction) -> Any:
    values, place = [], 0
    for x in refined:
        while place < len(path.knots) and path.knots[place] < x:
            place += 1
        if place == len(path.knots):
            values.append(column[-1] + right * (x - path.knots[-1]))
        elif path.knots[place] == x:
            values.append(column[place])
        elif place == 0:
            values.append(column[0] + left * (x - path.knots[0]))
        else:
            before, after = path.knots[place - 1], path.knots[place]
            rise = column[place] - column[place - 1]
            values.append(column[place - 1] + rise * (x - before) / (after - before))
    return _column(values)


def _rectified(path: _Path) -> _Path:
    """Its rectifications; no column changes its sign between knots, nor beyond them."""
    left = [
        slope if column[0] > 0 or (column[0] == 0 and slope < 0) else Fraction(0)
        for column, slope in zip(path.values, path.left, strict=True)
    ]
    right = [
        slope if column[-1] > 0 or (column[-1] == 0 and slope > 0) else Fraction(0)
        for column, slope in zip(path.values, path.right, strict=True)
    ]
    return _Path(
        path.knots, [_column([max(value, Fraction(0)) for value in column]) for column in path.values], left, right
    )


def _slopes(path: _Path) -> list[list[Fraction]]:
    """Of each column, from left to right."""
    steps = np.diff(np.array([*path.knots], dtype=object))
    return [
        [left, *(np.diff(column) / steps), right]
        for column, left, right in zip(path.values, path.left, path.right, strict=True)
    ]
