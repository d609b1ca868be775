"""Greedy algorithms on a set of points: the orthogonal one, and the relaxed one of Jones (1992) and Barron (1993)."""

import math
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.barron.ridge_units import RidgeUnits, Units, evaluated
from nnlimits.approximation.barron.search import Search
from nnlimits.progress import Advance, ignore

Algorithm = Literal["orthogonal", "relaxed"]

_EXACT = 1e-13
"""The residual, relative to the function, at which nothing is left to fit."""

_DEPENDENT = 1e-7
"""The share of a unit's norm outside the span of those before below which it is left out."""


class GreedyPath(NamedTuple):
    """A greedy approximation of every size up to the last: units, and the residual after each."""

    polynomials: Units
    """Those that span, with the constant, the polynomials of the dictionary's degree."""
    units: Units
    """In the order in which they were chosen."""
    residuals: Float[np.ndarray, " sizes"]
    """The root mean square of the residual on the points after 0, 1, 2, ... units."""
    sufficient: Float[np.ndarray, " units"]
    """Whether each step brought the decrease that the theorem needs of it."""
    coefficients: tuple[Float[np.ndarray, " coefficients"], ...]
    """At each of the sizes asked for: of the constant, of `polynomials`, of `units`."""
    sizes: tuple[int, ...]
    """The sizes asked for, fewer where nothing was left to fit."""


def greedy(
    dictionary: RidgeUnits,
    z: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    sizes: tuple[int, ...],
    *,
    variation: float,
    distance: float = 0.0,
    algorithm: Algorithm = "orthogonal",
    enough: float = 0.0,
    seed: int = 0,
    advance: Advance = ignore,
) -> GreedyPath:
    """Approximate values at points by the polynomials of the dictionary's degree and one unit after another.

    Norms are root mean squares over the points, beside the polynomials, where no unit (of values between 0 and 1) is longer than
    1/2. If the function is within `distance` of the closed convex hull of the units times plus or minus `variation` V, up to a
    polynomial, and each step attains what the best unit would, then after N steps

        residual <= distance + 1 / sqrt(1 / s_0^2 + 4 N / V^2) <= distance + V / (2 sqrt(N)),

    s_0 the first residual less the distance. A function that is small beside its variation has a small s_0: the bound, and with
    it what is reached, falls at the rate 1/2 only from about `V^2 / (4 s_0^2)` units on.

    Orthogonal: DeVore & Temlyakov (1996), Theorem 3.7; its units are those whose inner product with the residual is largest, and
    all coefficients are fitted anew. Relaxed: Barron (1993), Theorem 5, with `f_N = (1 - lambda) f_{N-1} +- lambda V u`, in which
    lambda is the best for the chosen u. The step of either lowers `s = residual - distance` so that `1/s^2` grows by `4 / V^2`;
    `sufficient` says which steps did, whether or not the best unit was found.

    **Arguments:** `dictionary`; `z`, points of the cube from -1 to 1; `y`, values; `sizes`, ascending numbers of units;
    `variation`; `distance`; `algorithm`; `enough`, a residual at which it stops; `seed`, of the units drawn; `advance`, told
    of every unit.
    """
    polynomials, raw = dictionary.polynomial_basis(z)
    basis, triangle = np.linalg.qr(raw / math.sqrt(len(z)))
    basis = basis * math.sqrt(len(z))
    target = y - basis @ (basis.T @ y) / len(z)
    search = Search(dictionary, z, basis, seed)
    steps = _Orthogonal(search, target, sizes[-1]) if algorithm == "orthogonal" else _Relaxed(search, target, variation)
    chosen, residuals, sufficient, found, reached = [], [_norm(target)], [], [], []
    for size in range(1, sizes[-1] + 1):
        if residuals[-1] <= max(enough, _EXACT * _norm(y)) or not steps.add(max(residuals[-1] - distance, 0.0), chosen):
            break
        residuals.append(_norm(steps.residual))
        sufficient.append(_decreased(residuals[-2] - distance, residuals[-1] - distance, variation))
        advance(f"unit {size}")
        if size in sizes:
            found.append(steps.coefficients())
            reached.append(size)
    if not reached or reached[-1] != len(chosen):
        found.append(steps.coefficients())
        reached.append(len(chosen))
    units = _joined(chosen, z.shape[1])
    values = evaluated(dictionary, units, z)
    complete = []
    for inner, size in zip(found, reached, strict=True):
        outer = np.linalg.solve(triangle, basis.T @ (y - values[:, :size] @ inner) / len(z))
        complete.append(np.concatenate([outer, inner]))
    return GreedyPath(
        polynomials, units, np.asarray(residuals), np.asarray(sufficient, float), tuple(complete), tuple(reached)
    )


def _decreased(before: float, after: float, variation: float) -> bool:
    return after <= 0 or after <= before / math.sqrt(1 + 4 * before**2 / variation**2) * (1 + 1e-12)


class _Orthogonal:
    """Residuals are orthogonal to all units so far; their orthonormal basis is kept, orthogonalized twice."""

    def __init__(self, search: Search, target: Float[np.ndarray, " n"], most: int) -> None:
        self.search, self.target, self.residual = search, target, target
        self._basis = np.zeros((most, len(target)))
        self._triangle = np.zeros((most, most))
        self._count = 0

    def add(self, excess: float, chosen: list[Units]) -> bool:
        """One more unit, unless it depends on those before to rounding."""
        unit = self.search.select(self.residual)
        new, size = _beside_polynomials(self.search, unit), self._count
        norm, parts = _norm(new), np.zeros(size)
        for _ in range(2):
            more = self._basis[:size] @ new / len(new)
            parts, new = parts + more, new - more @ self._basis[:size]
        if _norm(new) <= _DEPENDENT * norm:
            return False
        self._triangle[:size, size], self._triangle[size, size] = parts, _norm(new)
        self._basis[size] = new / _norm(new)
        self.residual = self.residual - self._basis[size] * (self._basis[size] @ self.residual / len(new))
        self._count += 1
        chosen.append(unit)
        return True

    def coefficients(self) -> Float[np.ndarray, " units"]:
        """Those of least squares."""
        size = self._count
        return np.linalg.solve(self._triangle[:size, :size], self._basis[:size] @ self.target / len(self.target))


class _Relaxed:
    """Convex combinations of units times plus or minus the variation."""

    def __init__(self, search: Search, target: Float[np.ndarray, " n"], variation: float) -> None:
        self.search, self.target, self.residual = search, target, target
        self._variation = variation
        self._weights = np.zeros(0)

    def add(self, excess: float, chosen: list[Units]) -> bool:
        """The unit that is best for the share `s^2 / (s^2 + V^2 / 4)` of Barron's proof, then the best share for that unit."""
        bound = self._variation
        share = max(excess**2 / (excess**2 + bound**2 / 4), 1e-12)
        wanted = (1 - share) * self.residual + share * self.target
        unit = self.search.select(wanted, price=share * bound)
        values = _beside_polynomials(self.search, unit)
        approximation = self.target - self.residual
        options = []
        for sign in (1.0, -1.0):
            direction = sign * bound * values - approximation
            length = direction @ direction
            best = float(np.clip(self.residual @ direction / length, 0, 1)) if length > 0 else 0.0
            left = self.residual - best * direction
            options.append((_norm(left), best, sign, left))
        _, best, sign, self.residual = min(options, key=lambda option: option[0])
        self._weights = np.append((1 - best) * self._weights, best * sign * bound)
        chosen.append(unit)
        return True

    def coefficients(self) -> Float[np.ndarray, " units"]:
        """The weights of the convex combination."""
        return self._weights


def _beside_polynomials(search: Search, unit: Units) -> Float[np.ndarray, " n"]:
    values = evaluated(search.dictionary, unit, search.z)[:, 0]
    return values - search.basis @ (search.basis.T @ values) / len(values)


def _joined(chosen: list[Units], dimension: int) -> Units:
    if not chosen:
        return Units(np.zeros((0, dimension)), np.zeros(0), np.zeros(0))
    return Units(*(np.concatenate(fields) for fields in zip(*chosen, strict=True)))


def _norm(values: Float[np.ndarray, " n"]) -> float:
    return float(np.sqrt(np.mean(values**2)))
