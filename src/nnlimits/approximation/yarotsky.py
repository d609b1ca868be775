"""Smooth functions by deep ReLU networks: local polynomials, hats and products."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.derivative_bounds import derivative_bounds
from nnlimits.approximation.derivative_claims import (
    SAFETY,
    as_derivative_bounds,
    check_derivative_bounds,
    estimated_derivative_bounds,
)
from nnlimits.approximation.local_interpolation import (
    EVALUATION,
    interpolation_error,
    interpolation_rounding,
    lebesgue_constant,
    lipschitz_error,
    local_interpolants,
)
from nnlimits.approximation.relu_approximation import relu_approximation
from nnlimits.approximation.relu_calculus import ReluNetwork, affine, compose
from nnlimits.approximation.relu_calculus.hats import LARGEST_DIMENSION, hat_widths
from nnlimits.approximation.relu_calculus.local_sum import (
    LocalPolynomials,
    local_sum,
    local_sum_error,
    local_sum_widths,
)
from nnlimits.approximation.target import Target, as_target
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_positive

THEOREM = "Yarotsky (2017), Theorem 1, with local Chebyshev interpolants and hats on Kuhn's triangulation"

_LARGEST_ORDER = 8
_LARGEST_WIDTH = 2**14
_LARGEST_LEVELS = 24
"""With more of them squares err by less than rounding does."""

_COARSE = 8

_SHARE = 0.9
"""The part of the tolerance that interpolation may take; products, which are cheap, have the rest."""


def yarotsky(
    f: Any,
    domain: Any = None,
    *,
    tolerance: float | None = None,
    units: int | None = None,
    order: int | None = None,
    derivative_bound: Any = None,
    lipschitz: float | None = None,
    advance: Advance = ignore,
) -> Approximation:
    """A deep ReLU network uniformly close to a function with bounded derivatives of order n, in one to three dimensions.

    On a grid of N cells along each axis, f is close to `sum_m hat_m P_m`: hats are a partition of unity made of rectifiers, and
    P_m interpolates f at Chebyshev's points around the node m, of degree below n in each variable. The network computes that sum
    with products of numbers, which err by `4^-(L+1)` for L levels of depth. With h_i = side_i / N,

        |f - network| <= sum_i Lambda^{i-1} h_i^n F_i / (2^{n-1} n!)  +  4^-(L+1) sum |alpha| max_m |a_{m, alpha}|  +  rounding,

    so that an error epsilon takes O(epsilon^{-d/n}) + O(log(1/epsilon)) weights and O(log(1/epsilon)) layers, within what
    Yarotsky (2017, Theorem 1) proves, epsilon^{-d/n} log(1/epsilon): the products are shared by all cells.

    **Arguments:** `f` and `domain`, as for `Target`, of up to three dimensions; either `tolerance`, the bound of the error to
    reach, or `units`, how many hidden units there may be; `order`, n, from 1 to 8; `derivative_bound`, F_i with
    `|d^n f / dx_i^n| <= F_i` on the domain, one number or one for each axis (the Lipschitz constants of the (n-1)-th derivatives
    will do); or else `lipschitz`, with which n is 1. With `order` alone, F is proved by `derivative_bounds` for a function of
    JAX; for others it is estimated from samples, and the certificate says so. `advance` is told of each grid tried.

    **Returns:** the `Approximation`, whose `network` is an expression of the language; its error is measured with the sparse
    form of the same parameters.

    **Raises:** `ValueError` for a claim that samples contradict, more than three dimensions, neither or both of tolerance and
    units, a tolerance that takes a wider layer than 16,384 units or less than rounding, a budget too small for one cell, with
    what is achievable.
    """
    target = as_target(f, domain, lipschitz)
    problem = _problem(target, order, derivative_bound)
    if (tolerance is None) == (units is None):
        raise ValueError("give either tolerance, the error to reach, or units, the budget of hidden units")
    if tolerance is not None:
        check_positive("tolerance", tolerance)
        found = _for_tolerance(problem, tolerance, advance)
    else:
        assert units is not None
        found = _for_units(problem, as_integer("units", 1, units), advance)
    return relu_approximation(_network(found), target, _certificate(found))


class _Problem(NamedTuple):
    """What is known of f."""

    target: Target
    order: int
    bounds: Float[np.ndarray, " d"]
    proved: bool
    claim: str
    """Where the bounds are from."""
    lipschitz: float | None = None
    """The constant in Euclidean distance, if that is what is known."""

    def interpolation(self, cells: int) -> float:
        if self.lipschitz is not None:
            return lipschitz_error(cells, self.target.domain.sides, self.lipschitz)
        return interpolation_error(cells, self.order, self.target.domain.sides, self.bounds)

    def widths(self, cells: int, levels: int) -> tuple[int, ...]:
        return local_sum_widths(self.target.domain.dimension, cells, self.order, self.target.outputs, levels)

    @property
    def most_cells(self) -> int:
        """The finest grid that is built."""
        cells = 1
        while max(hat_widths(self.target.domain.dimension, 2 * cells)) <= _LARGEST_WIDTH:
            cells *= 2
        step = cells // 2
        while step:
            cells += step * (max(hat_widths(self.target.domain.dimension, cells + step)) <= _LARGEST_WIDTH)
            step //= 2
        return cells


class _Found(NamedTuple):
    """A grid, its polynomials, and how well their products are computed."""

    problem: _Problem
    polynomials: LocalPolynomials
    levels: int

    @property
    def products(self) -> float:
        return local_sum_error(self.polynomials, self.levels)

    @property
    def rounding(self) -> float:
        """Of interpolation and of the network's evaluation.

        Coordinates on the grid are wrong by a few units in the last place of N or of |x| / h; hats follow with a slope of at most
        4, up to 3^d of them at a point, and polynomials with the sum of their coefficients times their degrees.
        """
        domain, cells = self.problem.target.domain, self.polynomials.cells
        d = domain.dimension
        size = cells * (1 + np.max(np.abs([domain.lower, domain.upper]) / domain.sides))
        _, bounds = self.polynomials.by_parity()
        powers = 1 + np.sum(np.indices(bounds.shape[2:]), axis=0)
        slope = float((bounds * powers).reshape(len(bounds), -1).sum(axis=1).max())
        network = 16 * 3**d * np.finfo(np.float64).eps * size * slope
        largest = float(
            np.abs(self.polynomials.coefficients).reshape(len(bounds), -1, self.problem.order**d).sum(2).max()
        )
        return float(network) + interpolation_rounding(cells, self.problem.order, d, largest)

    @property
    def bound(self) -> float:
        return float(self.problem.interpolation(self.polynomials.cells) + self.products + self.rounding)


def _problem(target: Target, order: int | None, derivative_bound: Any) -> _Problem:
    d = target.domain.dimension
    if d > LARGEST_DIMENSION:
        raise ValueError(
            f"the domain has {d} dimensions; a grid with N cells along each axis takes (N + 1)^d hats, and networks are built "
            f"for up to {LARGEST_DIMENSION}"
        )
    if order is None:
        if derivative_bound is not None or target.lipschitz is None:
            raise ValueError("give order and derivative_bound, how smooth f is, or lipschitz for order 1")
        order = 1
    order = as_integer("order", 1, order)
    if order > _LARGEST_ORDER:
        raise ValueError(
            f"order must be at most {_LARGEST_ORDER}, where rounding of local coefficients grows; received {order}"
        )
    if derivative_bound is not None:
        bounds = as_derivative_bounds(derivative_bound, d)
        check_derivative_bounds(target, order, bounds)
        return _Problem(target, order, bounds, True, _claim(order, bounds))
    if order == 1 and target.lipschitz is not None:
        claim = f"f has the Lipschitz constant {target.lipschitz:g}"
        return _Problem(target, 1, np.full(d, target.lipschitz), True, claim, target.lipschitz)
    try:
        bounds = derivative_bounds(target.function, target.domain, order)
    except (TypeError, ValueError, NotImplementedError, ArithmeticError):  # nothing is known between points
        bounds = estimated_derivative_bounds(target, order)
        claim = f"{_claim(order, bounds)}, which is {SAFETY:g} times what was found on samples"
        return _Problem(target, order, bounds, False, claim)
    return _Problem(target, order, bounds, True, f"f is what its program means, so that {_claim(order, bounds)}")


def _claim(order: int, bounds: Float[np.ndarray, " d"]) -> str:
    listed = ", ".join(f"{bound:g}" for bound in bounds)
    return f"|d^{order} f / dx_i^{order}| is at most {listed} along the axes"


def _for_tolerance(problem: _Problem, tolerance: float, advance: Advance) -> _Found:
    share = _SHARE if problem.order > 1 else 1 - 1e-6  # without products, all of it but for rounding
    cells = max(1, math.ceil((problem.interpolation(1) / (share * tolerance)) ** (1 / problem.order)))
    if cells > problem.most_cells:
        best = problem.interpolation(problem.most_cells) / share
        raise ValueError(
            f"tolerance={tolerance:g} takes {cells:,} cells along each axis, and a layer wider than {_LARGEST_WIDTH:,} units; "
            f"achievable with order {problem.order} is {best:.3g} with {problem.most_cells:,} cells; give a higher order and its "
            "derivative_bound if f is smoother"
        )
    found = _Found(problem, local_interpolants(problem.target, cells, problem.order, advance), 1)
    left = tolerance - problem.interpolation(cells) - found.rounding
    levels = _levels(found.polynomials, left)
    if left <= 0 or levels is None:
        reached = found.bound - found.products
        raise ValueError(
            f"tolerance={tolerance:g} is below what rounding in float64 leaves to prove with order {problem.order}: about "
            f"{2 * reached:.2g} is achievable"
        )
    return found._replace(levels=levels)


def _for_units(problem: _Problem, units: int, advance: Advance) -> _Found:
    least = sum(problem.widths(1, 1))
    if least > units:
        raise ValueError(
            f"units={units} is too small: one cell with order {problem.order} takes {least} hidden units; give at least as "
            "many, or a lower order"
        )
    choices = [(levels, _cells(problem, units, levels)) for levels in range(1, _LARGEST_LEVELS + 1)]
    choices = [(levels, cells) for levels, cells in choices if cells]
    # what products err by is looked up on a coarse grid, where it is larger than on finer ones
    coarse = local_interpolants(problem.target, min(_COARSE, choices[0][1]), problem.order, advance)
    errors = [problem.interpolation(cells) + local_sum_error(coarse, levels) for levels, cells in choices]
    levels, cells = choices[int(np.argmin(errors))]
    return _Found(problem, local_interpolants(problem.target, cells, problem.order, advance), levels)


def _cells(problem: _Problem, units: int, levels: int) -> int:
    """The finest grid within a budget of units, 0 if there is none."""
    low, high = 0, problem.most_cells + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if sum(problem.widths(middle, levels)) <= units else (low, middle)
    return low


def _levels(polynomials: LocalPolynomials, tolerance: float) -> int | None:
    """The least number of levels with which products err by no more than a tolerance, None if rounding forbids it."""
    every = range(1, _LARGEST_LEVELS + 1)
    return next((levels for levels in every if local_sum_error(polynomials, levels) <= tolerance), None)


def _network(found: _Found) -> ReluNetwork:
    domain, cells = found.problem.target.domain, found.polynomials.cells
    steps = domain.sides / cells
    to_grid = affine(np.diag(1 / steps), -np.asarray(domain.lower) / steps)
    return compose(local_sum(found.polynomials, found.levels), to_grid)


def _certificate(found: _Found) -> Certificate:
    problem, cells = found.problem, found.polynomials.cells
    constants: dict[str, float] = {"order": float(problem.order), "cells": float(cells), "levels": float(found.levels)}
    if problem.lipschitz is not None:
        constants["lipschitz"] = float(problem.lipschitz)
    else:
        constants |= {f"derivative_bound[{axis}]": float(bound) for axis, bound in enumerate(problem.bounds)}
        constants["lebesgue_constant"] = lebesgue_constant(problem.order)
    constants |= {
        "interpolation": problem.interpolation(cells),
        "products": found.products,
        "rounding": found.rounding,
    }
    assumptions = (problem.claim, f"values of f are right to {EVALUATION} units in the last place of its largest one")
    return Certificate(THEOREM, found.bound, "sup", constants, assumptions, rigorous=problem.proved)
