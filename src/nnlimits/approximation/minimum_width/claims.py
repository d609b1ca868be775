"""What is known of the function: claims, tested on samples, or else only samples."""

from typing import NamedTuple

import numpy as np

from nnlimits.approximation.minimum_width.bound import Claims
from nnlimits.approximation.target import Target
from nnlimits.validation import check_non_negative, check_positive

_POINTS = 2**14
_DISTANCES = 1e-2, 1e-3
"""Of the pairs that test the measure of jumps, relative to the diagonal."""


class Claimed(NamedTuple):
    """Claims and what they rest on."""

    claims: Claims | None
    """`None` if nothing is claimed, and the distance to the cells' values is measured on samples instead."""
    values: tuple[float, float] | None
    assumptions: tuple[str, ...]
    proved: bool


def claimed(
    target: Target, lipschitz: float | None, jumps: float | None, values: tuple[float, float] | None
) -> Claimed:
    """The claims, after a test.

    **Raises:** `ValueError` for a measure of jumps without a Lipschitz constant, or that samples contradict, and for values
    that lie outside of those claimed.
    """
    _check_values(target, values)
    if jumps is None:
        constant = lipschitz if target.lipschitz is None else target.lipschitz
        if constant is None:
            return Claimed(None, values, ("means over samples stand for integrals",), False)
        return Claimed(Claims(constant, 0.0), values, (f"f has the Lipschitz constant {constant:g}",), True)
    check_non_negative("jumps", jumps)
    if lipschitz is None:
        raise ValueError("jumps needs lipschitz, the constant of f away from its jumps; 0 is one for a step function")
    check_non_negative("lipschitz", lipschitz)
    if target.lipschitz is not None:
        raise ValueError("f is a Target with a Lipschitz constant, so it has no jumps; leave out jumps")
    _check_jumps(target, lipschitz, jumps)
    assumptions = (
        f"f has the Lipschitz constant {lipschitz:g} between points whose segment meets no jump",
        f"points within r of a jump have a volume of at most 2 r {jumps:g}",
    )
    if values is None:
        return Claimed(
            Claims(lipschitz, jumps), None, (*assumptions, "f's values lie where those of samples do"), False
        )
    return Claimed(Claims(lipschitz, jumps), values, (*assumptions, f"f's values lie in {list(values)}"), True)


def _check_values(target: Target, values: tuple[float, float] | None) -> None:
    if values is None:
        return
    try:
        low, high = (float(value) for value in values)
    except (TypeError, ValueError):
        low = high = np.nan
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(
            f"values must be the least and the largest value of f, such as (-1.0, 1.0); received {values!r}"
        )
    points = target.domain.dense(_POINTS, seed=5)
    found = target(points)
    outside = np.flatnonzero(((found < values[0]) | (found > values[1])).any(axis=1))
    if outside.size:
        place = outside[0]
        raise ValueError(
            f"values={values} is contradicted: f is {found[place].tolist()} at {points[place].tolist()}; it takes values from "
            f"{found.min():.6g} to {found.max():.6g} on samples"
        )


def _check_jumps(target: Target, lipschitz: float, jumps: float) -> None:
    """Refuse if more close pairs differ too much than jumps of this measure can separate."""
    domain = target.domain
    points = domain.dense(_POINTS, seed=6)
    values = target(points)
    rng = np.random.default_rng(6)
    for relative in _DISTANCES:
        distance = relative * domain.diameter
        direction = rng.standard_normal(points.shape)
        direction *= distance / np.linalg.norm(direction, axis=1, keepdims=True)
        moved = np.clip(points + direction, domain.lower, domain.upper)
        steep = np.abs(target(moved) - values).max(axis=1) > lipschitz * distance * (1 + 1e-9) + 1e-12
        expected = min(1.0, 2 * distance * jumps / domain.volume)
        allowed = expected + 5 * np.sqrt((expected + 1 / len(points)) / len(points))
        if steep.mean() > allowed:
            pair = points[int(np.argmax(steep))].tolist(), moved[int(np.argmax(steep))].tolist()
            need = steep.mean() * domain.volume / (2 * distance)
            raise ValueError(
                f"lipschitz={lipschitz:g} with jumps={jumps:g} is contradicted: of pairs at distance {distance:.3g}, "
                f"{steep.mean():.2%} differ by more than the constant allows, such as {pair[0]} and {pair[1]}, and jumps explain "
                f"{expected:.2%}; "
                f"a measure of about {need:.3g}, or a larger constant, is needed"
            )


def check_exponent(p: float) -> None:
    """Refuse exponents below 1."""
    check_positive("p", p)
    if p < 1:
        raise ValueError(f"p must be at least 1, for L^p to be a norm; received {p}")
