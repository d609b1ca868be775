"""Smooth functions by deep ReLU networks: local polynomials, hats and products."""

import math
from typing import Any, NamedTuple

import numpy as np

from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.known_derivatives import KnownDerivatives, known_derivatives
from nnlimits.approximation.local_interpolation import (
    EVALUATION,
    interpolation_rounding,
    lebesgue_constant,
    local_interpolants,
)
from nnlimits.approximation.relu_approximation import relu_approximation
from nnlimits.approximation.relu_calculus import ReluNetwork, affine, compose, square_error
from nnlimits.approximation.relu_calculus.hats import LARGEST_DIMENSION
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

_LARGEST_WIDTH = 2**13
_LARGEST_LEVELS = 24
"""With more of them squares err by less than rounding does."""

_COARSE = 8
_ANY = 2**62
"""A budget that is none."""

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
    """A deep ReLU network uniformly close to a function with bounded derivatives of order n, in up to six dimensions.

    On a grid of N cells along each axis, f is close to `sum_m hat_m P_m`: hats are a partition of unity made of rectifiers, and
    P_m interpolates f at Chebyshev's points around the node m, of degree below n in each variable. The network computes that sum
    with products of numbers, which err by `4^-(L+1)` for L levels of depth. With h_i = side_i / N,

        |f - network| <= sum_i Lambda^{i-1} h_i^n F_i / (2^{n-1} n!)  +  4^-(L+1) sum |alpha| max_m |a_{m, alpha}|  +  rounding,

    so that an error epsilon takes O(epsilon^{-d/n}) + O(log(1/epsilon)) weights and O(log(1/epsilon)) layers, within what
    Yarotsky (2017, Theorem 1) proves, epsilon^{-d/n} log(1/epsilon): the products are shared by all cells.

    **Arguments:** `f` and `domain`, as for `Target`, of up to six dimensions (in four and more, order 1 or 2 on coarse grids);
    either `tolerance`, the bound of the error to reach, or `units`, how many hidden units there may be; `order`, n, from 1 to 8;
    `derivative_bound`, F_i with `|d^n f / dx_i^n| <= F_i` on the domain, one number or one for each axis (the Lipschitz constants
    of the (n-1)-th derivatives will do); or else `lipschitz`, with which n is 1. Without them, f must be a function of JAX:
    derivatives of each order up to 6 are bounded by `derivative_bounds`, and the order that takes the fewest units is chosen.
    With `order` alone, F is proved in the same way, or, where nothing is known of f between points, estimated from samples, and
    the certificate says so. `advance` is told of values of f.

    **Returns:** the `Approximation`, whose `network` is an expression of the language; its error is measured with the sparse
    form of the same parameters.

    **Raises:** `ValueError` for a claim that samples contradict, more than six dimensions, neither or both of tolerance and
    units, a tolerance that takes a wider layer than 8,192 units or less than rounding, a budget too small for one cell, with
    what is achievable.
    """
    target = as_target(f, domain, lipschitz)
    if target.domain.dimension > LARGEST_DIMENSION:
        raise ValueError(
            f"the domain has {target.domain.dimension} dimensions; a grid with N cells along each axis takes (N + 1)^d hats, and "
            f"networks are built for up to {LARGEST_DIMENSION}"
        )
    if (tolerance is None) == (units is None):
        raise ValueError("give either tolerance, the error to reach, or units, the budget of hidden units")
    if tolerance is not None:
        check_positive("tolerance", tolerance)
    known = [_Problem(target, one) for one in known_derivatives(target, order, derivative_bound)]
    if tolerance is not None:
        problem = min(known, key=lambda one: one.predicted_units(tolerance)) if len(known) > 1 else known[0]
        found = _for_tolerance(problem, tolerance, advance)
    else:
        budget = as_integer("units", 1, units)
        problem = min(known, key=lambda one: one.predicted_error(budget)) if len(known) > 1 else known[0]
        found = _for_units(problem, budget, advance)
    return relu_approximation(_network(found), target, _certificate(found))


class _Problem(NamedTuple):
    """A function, and what is known of one order of its derivatives."""

    target: Target
    derivatives: KnownDerivatives

    def widths(self, cells: int, levels: int) -> tuple[int, ...]:
        """Of the hidden layers of the network."""
        dimension = self.target.domain.dimension
        return local_sum_widths(dimension, cells, self.derivatives.order, self.target.outputs, levels)

    def cells(self, tolerance: float) -> int:
        """With so many, interpolation errs by no more than its part of the tolerance."""
        order = self.derivatives.order
        return max(1, math.ceil((self.derivatives.interpolation(1) / (_share(order) * tolerance)) ** (1 / order)))

    def most_cells(self, units: int, levels: int) -> int:
        """The finest grid within a budget of units whose layers are not too wide, 0 if there is none."""
        low, high = 0, _LARGEST_WIDTH
        while high - low > 1:
            middle = (low + high) // 2
            widths = self.widths(middle, levels)
            low, high = (low, middle) if max(widths) > _LARGEST_WIDTH or sum(widths) > units else (middle, high)
        return low

    def predicted_units(self, tolerance: float) -> float:
        """For the choice of an order; levels are guessed from the size of f."""
        size = float(np.abs(self.target(self.target.domain.dense(256))).max())
        levels = max(1, math.ceil(math.log(max(size / tolerance, 1.0), 4)))
        cells = self.cells(tolerance)
        return float(sum(self.widths(cells, levels))) if cells <= self.most_cells(_ANY, levels) else math.inf

    def predicted_error(self, units: int) -> float:
        """The same for a budget of units."""
        size = float(np.abs(self.target(self.target.domain.dense(256))).max())
        choices = [(levels, self.most_cells(units, levels)) for levels in range(1, _LARGEST_LEVELS + 1)]
        errors = [
            self.derivatives.interpolation(cells) + size * square_error(levels) for levels, cells in choices if cells
        ]
        return min(errors, default=math.inf)


class _Found(NamedTuple):
    """A grid, its polynomials, and how well their products are computed."""

    problem: _Problem
    polynomials: LocalPolynomials
    levels: int

    @property
    def interpolation(self) -> float:
        return self.problem.derivatives.interpolation(self.polynomials.cells)

    @property
    def products(self) -> float:
        return local_sum_error(self.polynomials, self.levels)

    @property
    def rounding(self) -> float:
        """Of interpolation and of the network's evaluation.

        Coordinates on the grid are wrong by a few units in the last place of N or of |x| / h; hats follow with a slope of at most
        4, up to 3^d of them at a point, and polynomials with the sum of their coefficients times their degrees.
        """
        domain, cells, order = self.problem.target.domain, self.polynomials.cells, self.polynomials.order
        d = domain.dimension
        size = cells * (1 + np.max(np.abs([domain.lower, domain.upper]) / domain.sides))
        _, bounds = self.polynomials.by_parity()
        powers = 1 + np.sum(np.indices(bounds.shape[2:]), axis=0)
        slope = float((bounds * powers).reshape(len(bounds), -1).sum(axis=1).max())
        network = 16 * 3**d * np.finfo(np.float64).eps * size * slope
        largest = float(np.abs(self.polynomials.coefficients).reshape(len(bounds), -1, order**d).sum(axis=2).max())
        return float(network + interpolation_rounding(cells, order, d, largest))

    @property
    def bound(self) -> float:
        return float(self.interpolation + self.products + self.rounding)


def _share(order: int) -> float:
    return _SHARE if order > 1 else 1 - 1e-6  # without products, all of it but for rounding


def _for_tolerance(problem: _Problem, tolerance: float, advance: Advance) -> _Found:
    order, cells = problem.derivatives.order, problem.cells(tolerance)
    most = problem.most_cells(_ANY, 1)
    if cells > most:
        _check_narrow(problem)
        best = problem.derivatives.interpolation(most) / _share(order)
        raise ValueError(
            f"tolerance={tolerance:g} takes {cells:,} cells along each axis, and a layer wider than {_LARGEST_WIDTH:,} units; "
            f"achievable with order {order} is {best:.3g} with {most:,} cells; give a higher order and its derivative_bound if f "
            "is smoother"
        )
    found = _Found(problem, local_interpolants(problem.target, cells, order, advance), 1)
    left = tolerance - found.interpolation - found.rounding
    levels = _levels(found.polynomials, left)
    if left <= 0 or levels is None:
        reached = found.interpolation + found.rounding
        raise ValueError(
            f"tolerance={tolerance:g} is below what rounding in float64 leaves to prove with order {order}: about "
            f"{2 * reached:.2g} is achievable"
        )
    return found._replace(levels=levels)


def _for_units(problem: _Problem, units: int, advance: Advance) -> _Found:
    order, least = problem.derivatives.order, sum(problem.widths(1, 1))
    if least > units:
        raise ValueError(
            f"units={units} is too small: one cell with order {order} takes {least} hidden units; give at least as many, or a "
            "lower order"
        )
    choices = [(levels, problem.most_cells(units, levels)) for levels in range(1, _LARGEST_LEVELS + 1)]
    choices = [(levels, cells) for levels, cells in choices if cells]
    _check_narrow(problem)
    # what products err by is looked up on a coarse grid, where it is larger than on finer ones
    coarse = local_interpolants(problem.target, min(_COARSE, choices[0][1]), order, advance)
    errors = [problem.derivatives.interpolation(cells) + local_sum_error(coarse, levels) for levels, cells in choices]
    levels, cells = choices[int(np.argmin(errors))]
    return _Found(problem, local_interpolants(problem.target, cells, order, advance), levels)


def _check_narrow(problem: _Problem) -> None:
    """Refuse orders whose products are too many for the dimension on any grid."""
    widest, d = max(problem.widths(1, 1)), problem.target.domain.dimension
    if widest > _LARGEST_WIDTH:
        raise ValueError(
            f"order {problem.derivatives.order} in {d} dimensions takes a layer of {widest:,} units for its products, more than "
            f"{_LARGEST_WIDTH:,}; give a lower order"
        )


def _levels(polynomials: LocalPolynomials, tolerance: float) -> int | None:
    """The least number of levels with which products err by no more than a tolerance, None if rounding forbids it."""
    every = range(1, _LARGEST_LEVELS + 1)
    return next((levels for levels in every if local_sum_error(polynomials, levels) <= tolerance), None)


def _network(found: _Found) -> ReluNetwork:
    domain = found.problem.target.domain
    steps = domain.sides / found.polynomials.cells
    to_grid = affine(np.diag(1 / steps), -np.asarray(domain.lower) / steps)
    return compose(local_sum(found.polynomials, found.levels), to_grid)


def _certificate(found: _Found) -> Certificate:
    known = found.problem.derivatives
    constants = {"order": float(known.order), "cells": float(found.polynomials.cells), "levels": float(found.levels)}
    if known.lipschitz is not None:
        constants["lipschitz"] = float(known.lipschitz)
    else:
        constants |= {f"derivative_bound[{axis}]": float(bound) for axis, bound in enumerate(known.bounds)}
        constants["lebesgue_constant"] = lebesgue_constant(known.order)
    constants |= {"interpolation": found.interpolation, "products": found.products, "rounding": found.rounding}
    assumptions = (known.claim, f"values of f are right to {EVALUATION} units in the last place of its largest one")
    return Certificate(THEOREM, found.bound, "sup", constants, assumptions, rigorous=known.proved)
