"""Why a polynomial activation fails: networks of every width are polynomials of one degree."""

import itertools
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from nnlimits.approximation.target import Target
from nnlimits.nn.fields import as_integer

_GRID = 600
"""Points, at least, among which those of the obstruction are chosen."""


class Obstruction(NamedTuple):
    """A proof that no polynomial of a degree is close to a function.

    `weights`, one for each of `points`, sum to one in absolute value and annihilate the polynomials, so that
    `sum_i weights_i f(x_i)` is the same for f and for f - p, and no more than the largest `|f - p|`.
    """

    degree: int
    distance: float
    """Every polynomial of the degree is at least this far from f, in the sup norm on the domain."""
    points: Float[np.ndarray, "n d"]
    weights: Float[np.ndarray, " n"]


class PolynomialActivationError(ValueError):
    """A polynomial activation was asked to approximate; carries the `Obstruction`."""

    def __init__(self, message: str, obstruction: Obstruction) -> None:
        super().__init__(message)
        self.obstruction = obstruction


def distance_from_polynomials(target: Target, degree: int) -> Obstruction:
    """A lower bound of the sup distance from f to all polynomials of total degree at most `degree`.

    The best approximation on a grid is a linear program; its dual gives the measure. In one dimension it sits on `degree + 2`
    points with alternating signs, and the bound is that of de la Vallee-Poussin (1910; Cheney 1966, section 3.4); in several
    see Rivlin & Shapiro (1961). The measure is then projected onto those that annihilate the polynomials, so that the bound
    holds whatever the program's accuracy; what is left to rounding is taken off.

    **Arguments:** `target`, of several outputs the one farthest away counts; `degree`, at least 0.

    **Raises:** `TypeError` for what is no `Target`; `ValueError` for a negative degree.
    """
    if not isinstance(target, Target):
        raise TypeError(f"target must be a Target, such as Target(f, (0, 1)); received {type(target).__name__}")
    degree, domain = as_integer("degree", 0, degree), target.domain
    per_axis = max(degree + 3, int(np.ceil(_GRID ** (1 / domain.dimension))))
    points = domain.grid(per_axis) if per_axis**domain.dimension <= 4 * _GRID else domain.dense(_GRID, seed=4)
    values, basis = target(points), _chebyshev(target, points, degree)
    found = [_dual(basis, column) for column in values.T]
    # the best p is at most twice as large as f, and its coefficients in the basis are at most 2^d times that
    largest = 2.0 ** (domain.dimension + 2) * float(np.abs(values).max())
    distances = [
        _proved(basis[rows], weights, column[rows], largest)
        for (rows, weights), column in zip(found, values.T, strict=True)
    ]
    output = int(np.argmax(distances))
    rows, weights = found[output]
    sign = 1.0 if weights @ values[rows, output] >= 0 else -1.0
    return Obstruction(degree, distances[output], points[rows], sign * weights)


def polynomial_obstruction(target: Target, activation: Any, degree: int) -> PolynomialActivationError:
    """The error for an activation that is a polynomial of a degree."""
    proof = distance_from_polynomials(target, degree)
    if proof.distance > 0:
        points = len(proof.points)
        reason = (
            f"f is at least {proof.distance:.6g} away from all of those, "
            f"proved by a measure on {points} points that annihilates them"
        )
    else:
        reason = "f itself may be one of those, and then needs no theorem; other functions are out of reach"
    return PolynomialActivationError(
        f"{activation!r} is a polynomial of degree {degree}, and one hidden layer of any width with it is one of degree "
        f"at most {degree}: {reason} (Leshno et al. 1993). Take any activation that is no polynomial, such as nn.Relu()",
        proof,
    )


def _chebyshev(target: Target, points: np.ndarray, degree: int) -> np.ndarray:
    """Products of Chebyshev polynomials of total degree at most `degree` at points, (n, count)."""
    domain = target.domain
    scaled = np.clip(2 * (points - domain.lower) / domain.sides - 1, -1, 1)
    single = np.cos(np.arange(degree + 1) * np.arccos(scaled)[..., None])
    powers = [p for p in itertools.product(range(degree + 1), repeat=domain.dimension) if sum(p) <= degree]
    columns = [np.prod([single[:, axis, power] for axis, power in enumerate(p)], axis=0) for p in powers]
    return np.stack(columns, axis=1)


def _dual(basis: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points and weights of the best annihilating measure on the grid."""
    n, count = basis.shape
    # maximise w . f over w = plus - minus, with basis^T w = 0 and sum |w| = 1
    constraints = np.concatenate([np.concatenate([basis.T, -basis.T], axis=1), np.ones((1, 2 * n))])
    sides = np.append(np.zeros(count), 1.0)
    solved = linprog(np.concatenate([-values, values]), A_eq=constraints, b_eq=sides, bounds=(0, None), method="highs")
    weights = solved.x[:n] - solved.x[n:]
    rows = np.flatnonzero(np.abs(weights) > 1e-12)
    if rows.size == 0:  # f is such a polynomial on the grid, and any measure proves as much: nothing
        return np.arange(1), np.ones(1)
    weights = weights[rows]
    for _ in range(2):
        correction, *_ = np.linalg.lstsq(basis[rows].T, basis[rows].T @ weights, rcond=None)
        weights = weights - correction
    return rows, weights / np.abs(weights).sum()


def _proved(basis: np.ndarray, weights: np.ndarray, values: np.ndarray, largest: float) -> float:
    """The bound, less what rounding may add, for polynomials with coefficients up to `largest`."""
    unit = 4 * len(weights) * np.finfo(np.float64).eps
    residual = np.abs(basis.T @ weights) + unit
    return max(0.0, float(abs(weights @ values) - largest * residual.sum() - unit * np.abs(values).max()))
