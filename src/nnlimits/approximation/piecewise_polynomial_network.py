"""Piecewise polynomials by ReLU networks: one clipped polynomial for each piece, one steep ramp for each jump."""

import itertools
import math
from typing import Any

import numpy as np

from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.domain import Box, as_box
from nnlimits.approximation.piecewise_polynomial import PiecewisePolynomial
from nnlimits.approximation.relu_approximation import relu_approximation
from nnlimits.approximation.relu_calculus import (
    AffineMap,
    ReluNetwork,
    affine,
    clip,
    compose,
    linear_combination,
    polynomial,
    polynomial_error,
)
from nnlimits.approximation.relu_calculus.polynomial import local_coefficients
from nnlimits.approximation.target import Target
from nnlimits.nn.fields import as_integer
from nnlimits.validation import check_instance, check_positive

THEOREM = "Petersen & Voigtlaender (2018), Section 3, in one dimension: clipped polynomials, and a ramp for each jump"

_LARGEST_LEVELS = 24
_SHARPEST = 2.0**-40
"""The narrowest ramp, in parts of the largest breakpoint or the shortest piece: rounding of x moves it by 2^-12 of its width."""


def approximate_piecewise_polynomial(
    f: Any,
    domain: Any = None,
    *,
    tolerance: float | None = None,
    levels: int | None = None,
    p: float | None = None,
) -> Approximation:
    """A ReLU network close to a piecewise polynomial: in the sup norm if it is continuous, in L^p if it jumps.

    With breakpoints b_0 < ... < b_k, pieces P_j and jumps J_j,

        f(x) = P_1(c_1(x)) + sum_{j > 1} (P_j(c_j(x)) - P_j(b_{j-1})) + sum_j J_j [x >= b_j],   c_j(x) = clip(x, b_{j-1}, b_j).

    Polynomials of the calculus are exact at both ends of their interval, so errors of different pieces do not add: the sup norm
    of all but the jumps errs by the largest `polynomial_error`, at most a constant times `4^-levels`. Each step is a ramp of
    width delta around its breakpoint, which errs by `|J| (delta / (2^p (p + 1)))^{1/p}` in L^p on an interval of length 1.

    **Arguments:** `f`, a `PiecewisePolynomial`; `domain`, None or the one from its first breakpoint to its last; either
    `tolerance`, or `levels`, L, the number of levels of each product, with which steps err by as much as polynomials do, or as
    little as float64 allows; `p`, the exponent of the norm, at least 1, which a function with jumps needs.

    **Raises:** `TypeError` for other functions; `ValueError` for jumps without p or p without jumps, neither or both of tolerance
    and levels, another domain, or a tolerance below rounding or that takes too steep a ramp, with what is achievable.
    """
    check_instance("f", f, PiecewisePolynomial)
    _check_arguments(f, domain, tolerance, levels, p)
    if levels is None:
        assert tolerance is not None
        levels = _levels_for(f, tolerance if f.is_continuous else tolerance / 2)
    levels = as_integer("levels", 1, levels)
    smooth, rounding = _smooth_error(f, levels), _rounding(f)
    if f.is_continuous:
        bound, constants = smooth + rounding, {"levels": float(levels), "polynomials": smooth, "rounding": rounding}
        certificate = Certificate(THEOREM, bound, "sup", constants, ("f is evaluated up to rounding",), rigorous=True)
        return relu_approximation(_network(f, levels, 0.0), Target(f, f.domain), certificate)
    assert p is not None
    width = _equal_ramp(f, p, smooth) if tolerance is None else _ramp(f, p, tolerance - smooth - rounding)
    steps = _steps_error(f, p, width)
    rounding += _steps_rounding(f, p, width)
    constants = {"levels": float(levels), "ramp": width, "polynomials": smooth, "steps": steps, "rounding": rounding}
    bound = smooth + steps + rounding
    certificate = Certificate(THEOREM, bound, "Lp", constants, ("f is evaluated up to rounding",), rigorous=True, p=p)
    return relu_approximation(_network(f, levels, width), Target(f, f.domain), certificate, _strata(f, width))


def _check_arguments(
    f: PiecewisePolynomial, domain: Any, tolerance: float | None, levels: int | None, p: float | None
) -> None:
    if domain is not None and as_box(domain) != f.domain:
        raise ValueError(f"domain must be that of f, {f.domain}, or None; received {domain}")
    if (tolerance is None) == (levels is None):
        raise ValueError("give either tolerance, the error to reach, or levels, those of each product")
    if tolerance is not None:
        check_positive("tolerance", tolerance)
    if f.is_continuous and p is not None:
        raise ValueError(
            f"p={p:g} is for functions that jump; f is continuous, and its network is close in the sup norm"
        )
    if not f.is_continuous:
        if p is None:
            raise ValueError(
                f"f jumps, by {np.abs(f.jumps).max():.3g} at most: networks are continuous, so that none is closer than "
                f"{np.abs(f.jumps).max() / 2:.3g} in the sup norm; give p, at least 1, for a network close in L^p"
            )
        check_positive("p", p)
        if p < 1:
            raise ValueError(f"p must be at least 1; received {p:g}")


def _smooth_error(f: PiecewisePolynomial, levels: int) -> float:
    return max(
        polynomial_error(piece, levels, lower=float(low), upper=float(high))
        for piece, low, high in zip(f.coefficients, f.breakpoints[:-1], f.breakpoints[1:], strict=True)
    )


def _rounding(f: PiecewisePolynomial) -> float:
    """What rounding may add: a few units in the last place of each piece's local coefficients, weighed by their powers."""
    ends = zip(f.coefficients, f.breakpoints[:-1], f.breakpoints[1:], strict=True)
    eps, size = np.finfo(np.float64).eps, 1 + float(np.abs(f.breakpoints).max() / np.diff(f.breakpoints).min())
    # a polynomial in powers of x far from 0 loses digits already in f's own values
    own = max(
        float(np.polynomial.polynomial.polyval(np.abs(f.breakpoints).max(), np.abs(piece))) for piece in f.coefficients
    )
    local = 0.0
    for piece, low, high in ends:
        coefficients = np.abs(local_coefficients(piece, float(low), float(high)))
        local += float(np.sum(coefficients * (1 + np.arange(len(coefficients))) ** 2))
    return float(32 * eps) * (size * local + own * max(len(piece) for piece in f.coefficients))


def _levels_for(f: PiecewisePolynomial, tolerance: float) -> int:
    rounding = _rounding(f)
    for levels in range(1, _LARGEST_LEVELS + 1):
        if _smooth_error(f, levels) + rounding <= tolerance:
            return levels
    raise ValueError(
        f"tolerance={tolerance:g} for polynomials is below what rounding in float64 leaves; about "
        f"{2 * (_smooth_error(f, _LARGEST_LEVELS) + rounding):.2g} is achievable"
    )


def _steps_error(f: PiecewisePolynomial, p: float, width: float) -> float:
    """In L^p of the uniform measure on the domain; ramps do not overlap, so that p-th powers add."""
    share = math.log(width / f.domain.sides[0] / (p + 1)) / p - math.log(2)
    return _norm_of_jumps(f, p) * math.exp(share)


def _norm_of_jumps(f: PiecewisePolynomial, p: float) -> float:
    largest = float(np.abs(f.jumps).max())
    return largest * float(np.linalg.norm(f.jumps / largest, ord=p))


def _steps_rounding(f: PiecewisePolynomial, p: float, width: float) -> float:
    """What rounding of x and of breakpoints changes on the ramps; beside them, steps are exact."""
    moved = 8 * np.finfo(np.float64).eps * float(np.abs(f.breakpoints).max()) / width
    share = 2 * width / f.domain.sides[0]
    return _norm_of_jumps(f, p) * moved * share ** (1 / p)


def _ramp(f: PiecewisePolynomial, p: float, error: float) -> float:
    """The widest ramps with which steps err by no more than that.

    **Raises:** `ValueError` if rounding forbids ramps so narrow.
    """
    narrowest, widest = _widths(f)
    unit = _steps_error(f, p, 1.0)  # the error is a multiple of width^(1/p)
    width = min(widest, ((1 - 2.0**-8) * max(error, 0.0) / unit) ** p)  # the rest is for rounding of the ramps
    if width < narrowest:
        raise ValueError(
            f"the steps may err by {error:.3g} in L^{p:g}, which takes ramps of width {width:.2g}; with the narrowest that "
            f"float64 resolves, {narrowest:.2g}, they err by {_steps_error(f, p, narrowest):.3g}; give a tolerance above it"
        )
    return width


def _equal_ramp(f: PiecewisePolynomial, p: float, error: float) -> float:
    """Ramps with which steps err by as much as polynomials do, or the narrowest there are where those err less."""
    narrowest, widest = _widths(f)
    least, unit = _steps_error(f, p, narrowest), _steps_error(f, p, 1.0)
    return narrowest if error <= least else min(widest, (error / unit) ** p)


def _widths(f: PiecewisePolynomial) -> tuple[float, float]:
    """The narrowest ramp that rounding allows, and the widest that meets no other."""
    shortest = float(np.diff(f.breakpoints).min())
    return _SHARPEST * max(shortest, float(np.abs(f.breakpoints).max())), shortest


def _strata(f: PiecewisePolynomial, ramp: float) -> list[Box]:
    """The ramps, in which the network is far from f and few points of the domain lie, and what is between them."""
    at = f.breakpoints[1:-1][f.jumps != 0]
    ends = np.concatenate(
        [f.breakpoints[:1], np.stack([at - ramp / 2, at + ramp / 2], axis=1).ravel(), f.breakpoints[-1:]]
    )
    return [Box((low,), (high,)) for low, high in itertools.pairwise(ends) if low < high]


def _network(f: PiecewisePolynomial, levels: int, ramp: float) -> ReluNetwork:
    pieces, offset = [], 0.0
    for position, piece in enumerate(f.coefficients):
        low, high = float(f.breakpoints[position]), float(f.breakpoints[position + 1])
        pieces.append(compose(polynomial(piece, levels, lower=low, upper=high), clip(low, high)))
        if position:
            local = local_coefficients(piece, low, high)
            offset -= float(np.sum(local * (-1.0) ** np.arange(len(local))))
    for breakpoint_, jump in zip(f.breakpoints[1:-1], f.jumps, strict=True):
        if jump:
            pieces.append(_step(float(breakpoint_) - ramp / 2, ramp, float(jump)))
    total = linear_combination([1.0] * len(pieces), pieces)
    return compose(affine(np.ones((1, 1)), np.array([offset])), total)


def _step(start: float, width: float, jump: float) -> ReluNetwork:
    """`J (1 - relu(1 - relu((x - start) / width)))`: 0 up to the start of the ramp, and behind its end J, both exactly.

    One layer would take the difference of two steep lines, whose rounding grows with their values.
    """
    first = AffineMap([[1 / width]], np.array([-start / width]))
    return ReluNetwork((first, AffineMap([[-1.0]], np.ones(1)), AffineMap([[-jump]], np.array([jump]))))
