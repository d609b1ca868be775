"""Powers of a variable by differences of a smooth function around a point."""

import functools
import math
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nnlimits import nn
from nnlimits.approximation.intervals import Interval, enclose, unbounded_where_undefined

LARGEST_DEGREE = 6
"""Degrees beyond which double precision has few digits left for divided differences."""

_ORDER = LARGEST_DEGREE + 3

_POINTS = 0.0, 0.5, -0.7, 1.1
"""Where derivatives are looked at, until one is found at which none vanishes."""

_STEPS = 2.0 ** -np.arange(0, 8)
"""The largest steps that are tried."""

_VANISHES = 1e-6
"""Relative to the largest, a Taylor coefficient too small to divide by."""


class PowerSums(NamedTuple):
    """`constant + sum_j coefficients_j phi(point + steps_j x)`, close to a polynomial without constant term on [-1, 1]."""

    point: float
    steps: Float[np.ndarray, " units"]
    coefficients: Float[np.ndarray, "units outputs"]
    constant: Float[np.ndarray, " outputs"]
    bound: float
    """Of the distance, with the rounding of evaluation."""


def power_sums(activation: nn.Activation, powers: Float[np.ndarray, "degree outputs"]) -> PowerSums | None:
    """Units whose sum is close to `sum_m powers_m x^(m + 1)` on [-1, 1]; None if no point has derivatives to divide by.

    Of n + 1 steps w_j around zero the coefficients solve `sum_j c_j w_j^m = m! p_m / phi^(m)(b)` for m up to n, exactly (divided
    differences; Pinkus 1999, proposition 3.4). What remains are the Taylor terms beyond n, which grow with the steps, and the
    rounding of `sum_j |c_j|`, which falls with their n-th power: of the steps that are tried the best is taken. Both are
    bounded rigorously: Taylor coefficients by intervals at b, the remainder of Lagrange over all arguments.

    **Arguments:** `activation`; `powers`, p_1 to p_n.
    """
    candidates = [
        _sums(powers, point, float(largest), at, around)
        for point, at, arounds in _taylor(activation)
        for largest, around in zip(_STEPS, arounds, strict=True)
    ]
    found = [candidate for candidate in candidates if candidate is not None]
    return min(found, key=lambda sums: sums.bound) if found else None


def _sums(powers: np.ndarray, point: float, largest: float, taylor: Interval, remainder: Interval) -> PowerSums | None:
    """With given Taylor coefficients at the point, and enclosed on all arguments."""
    degree, outputs = powers.shape
    if not (np.isfinite(taylor.magnitude).all() and np.isfinite(remainder.magnitude).all()):
        return None
    middle = (taylor.lower + taylor.upper) / 2
    sizes = np.abs(middle[1 : degree + 1]) * largest ** np.arange(1, degree + 1)
    if (np.abs(middle[1 : degree + 1]) <= _VANISHES * np.abs(middle[1 : degree + 1]).max()).any() or not sizes.all():
        return None
    steps = largest * np.linspace(-1, 1, degree + 1)
    matrix = [[Fraction(step) ** power for step in steps.tolist()] for power in range(degree + 1)]
    columns = []
    for output in range(outputs):
        wanted = [Fraction(0)] + [
            Fraction(p) / Fraction(t) for p, t in zip(powers[:, output], middle[1 : degree + 1], strict=True)
        ]
        columns.append([float(c) for c in _solved(matrix, wanted)])
    coefficients = np.array(columns).T
    bound = max(
        _bound(steps, coefficients[:, output], powers[:, output], taylor, float(remainder.magnitude[degree + 3]))
        for output in range(outputs)
    )
    rounding = 8 * (degree + 4) * np.finfo(np.float64).eps * float(np.abs(coefficients).sum(axis=0).max())
    level = float(remainder.magnitude[0])
    # the sum of coefficients is zero but for rounding; what it leaves of phi(b) is constant
    constant = -np.array([float(sum(map(Fraction, column))) for column in coefficients.T.tolist()]) * middle[0]
    return PowerSums(point, steps, coefficients, constant, bound + rounding * level)


def _bound(steps: np.ndarray, coefficients: np.ndarray, powers: np.ndarray, taylor: Interval, highest: float) -> float:
    """The sum over Taylor terms of what is too much or too little, and Lagrange's remainder; sums of powers are exact."""
    degree, exact = len(powers), [Fraction(c) for c in coefficients.tolist()]
    total = Fraction(0)
    for power in range(degree + 3):
        moment = sum((c * Fraction(w) ** power for c, w in zip(exact, steps.tolist(), strict=True)), Fraction(0))
        aim = Fraction(float(powers[power - 1])) if 1 <= power <= degree else Fraction(0)
        ends = [moment * Fraction(float(end[power])) - aim for end in taylor]
        if power == 0:  # the constant is taken off, but for the interval of phi(b)
            ends = [abs(moment) * Fraction(float(taylor.upper[0] - taylor.lower[0]))]
        total += max(map(abs, ends))
    largest = float(np.abs(steps).max())
    rest = float(np.abs(coefficients).sum()) * highest * largest ** (degree + 3)
    return float(total) * (1 + 1e-15) + rest * (1 + 1e-12)


@functools.lru_cache(maxsize=32)
def _taylor(activation: nn.Activation) -> list[tuple[float, Interval, list[Interval]]]:
    """`phi^(m) / m!` for m up to the largest order: at each point, and enclosed on each interval around it."""

    def coefficients(x: Any) -> Any:
        function, results = activation, []
        for power in range(_ORDER + 1):
            results.append(function(x) / math.factorial(power))
            function = _derivative(function)
        return jnp.concatenate(results, axis=1)

    reach = np.concatenate([[0.0], _STEPS])
    centres = np.repeat(_POINTS, len(reach))
    radii = np.tile(reach, len(_POINTS))
    with unbounded_where_undefined():
        value = enclose(coefficients, (centres - radii)[:, None], (centres + radii)[:, None])
    rows = [Interval(*ends) for ends in zip(*value, strict=True)]
    parts = [rows[start : start + len(reach)] for start in range(0, len(rows), len(reach))]
    return [(point, part[0], part[1:]) for point, part in zip(_POINTS, parts, strict=True)]


def _derivative(function: Any) -> Any:
    return lambda x: jax.jvp(function, (x,), (jnp.ones_like(x),))[1]


def _solved(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    """A linear system in exact arithmetic, by elimination."""
    rows = [[*row, side] for row, side in zip(matrix, right, strict=True)]
    size = len(rows)
    for column in range(size):
        pivot = next(row for row in range(column, size) if rows[row][column] != 0)
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [entry / rows[column][column] for entry in rows[column]]
        for row in range(size):
            if row != column and rows[row][column] != 0:
                factor = rows[row][column]
                rows[row] = [a - factor * b for a, b in zip(rows[row], rows[column], strict=True)]
    return [row[-1] for row in rows]
