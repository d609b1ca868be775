"""How smooth a function is: bounds of its derivatives of one order, and where they are from."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.derivative_bounds import derivative_bounds
from nnlimits.approximation.derivative_claims import (
    SAFETY,
    as_derivative_bounds,
    check_derivative_bounds,
    estimated_derivative_bounds,
)
from nnlimits.approximation.local_interpolation import interpolation_error, lipschitz_error
from nnlimits.approximation.target import Target
from nnlimits.nn.fields import as_integer

LARGEST_ORDER = 8
"""Beyond it rounding of local coefficients grows."""

_TRIED = range(1, 7)
"""Orders that are looked into if none is given."""

_LARGEST_POLYNOMIAL = 256
"""Coefficients of a local polynomial, n^d, beyond which an order is not looked into: its products take too many units."""

_BOXES = 512
"""For each of them; a bound need not be close to be useful."""

_UNKNOWN = TypeError, ValueError, NotImplementedError, ArithmeticError
"""What intervals raise where nothing is known of f between points."""


class KnownDerivatives(NamedTuple):
    """Bounds of the derivatives of order n of a function, one for each axis."""

    order: int
    bounds: Float[np.ndarray, " d"]
    sides: Float[np.ndarray, " d"]
    """Of the domain."""
    proved: bool
    """Whether the bounds follow from claims or from the function's program, and not from samples."""
    claim: str
    """What is assumed, in words."""
    lipschitz: float | None = None
    """The constant in Euclidean distance, if that is what is known."""

    def interpolation(self, cells: int) -> float:
        """How far f can be from its local interpolants on a grid of so many cells along each axis, at most."""
        if self.lipschitz is not None:
            return lipschitz_error(cells, self.sides, self.lipschitz)
        return interpolation_error(cells, self.order, self.sides, self.bounds)


def known_derivatives(target: Target, order: int | None, derivative_bound: Any) -> list[KnownDerivatives]:
    """What is known of a function from claims, or else from its program, or else from samples.

    With an order, one entry; without, an entry for each order whose derivatives are bounded by intervals, unless a Lipschitz
    constant is claimed.

    **Raises:** `ValueError` for claims that samples contradict, an order out of range, or if nothing is known.
    """
    d, sides = target.domain.dimension, target.domain.sides
    if order is None and derivative_bound is not None:
        raise ValueError("give order, that of the derivatives which derivative_bound bounds")
    if order is None and target.lipschitz is None:
        return _by_intervals(target)
    order = 1 if order is None else as_integer("order", 1, order)
    if order > LARGEST_ORDER:
        raise ValueError(
            f"order must be at most {LARGEST_ORDER}, where rounding of local coefficients grows; received {order}"
        )
    if derivative_bound is not None:
        bounds = as_derivative_bounds(derivative_bound, d)
        check_derivative_bounds(target, order, bounds)
        return [KnownDerivatives(order, bounds, sides, True, _claim(order, bounds))]
    if order == 1 and target.lipschitz is not None:
        claim = f"f has the Lipschitz constant {target.lipschitz:g}"
        return [KnownDerivatives(1, np.full(d, target.lipschitz), sides, True, claim, target.lipschitz)]
    try:
        return [_enclosed(target, order)]
    except _UNKNOWN:
        bounds = estimated_derivative_bounds(target, order)
        claim = f"{_claim(order, bounds)}, which is {SAFETY:g} times what was found on samples"
        return [KnownDerivatives(order, bounds, sides, False, claim)]


def _by_intervals(target: Target) -> list[KnownDerivatives]:
    found: list[KnownDerivatives] = []
    for order in (n for n in _TRIED if n == 1 or n**target.domain.dimension <= _LARGEST_POLYNOMIAL):
        try:
            found.append(_enclosed(target, order))
        except _UNKNOWN as error:
            if not found:
                raise ValueError(
                    "nothing is known of f between points: give order and derivative_bound, how smooth it is, or lipschitz; "
                    f"or write it with jax.numpy ({error}). No network is uniformly close to a function that jumps; piecewise "
                    "polynomials that do are approximated in L^p by approximate_piecewise_polynomial"
                ) from error
            break  # a derivative that may jump has none
    return found


def _enclosed(target: Target, order: int) -> KnownDerivatives:
    bounds = derivative_bounds(target.function, target.domain, order, budget=_BOXES)
    claim = f"f is what its program means, so that {_claim(order, bounds)}"
    return KnownDerivatives(order, bounds, target.domain.sides, True, claim)


def _claim(order: int, bounds: Float[np.ndarray, " d"]) -> str:
    listed = ", ".join(f"{bound:g}" for bound in bounds)
    return f"|d^{order} f / dx_i^{order}| is at most {listed} along the axes"
