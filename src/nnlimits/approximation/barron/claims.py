"""What is known of a function before it is approximated by ridge units, and what that is worth."""

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.barron.constant import barron_constant
from nnlimits.approximation.barron.ridge_units import RidgeUnits
from nnlimits.approximation.domain import as_box
from nnlimits.approximation.shallow.smoothness import smoothness
from nnlimits.approximation.target import Target, as_target
from nnlimits.approximation.targets import NamedTarget
from nnlimits.validation import check_positive

_SLACK = 1e-9


class Claims(NamedTuple):
    """A function, and bounds of it for units of one degree k."""

    target: Target
    variation: float
    """V: f is, up to a polynomial of degree k, in the closed convex hull of V times plus or minus units between 0 and 1."""
    constant: float | None
    """`integral of |omega|_B^(k + 1) |F|(d omega)`, where the variation follows from it."""
    estimated: bool
    """Whether the constant was estimated from values."""
    low: float
    """A lower bound of the values on the box."""
    high: float
    """An upper bound."""
    bounded: bool
    """Whether these follow from claims; otherwise they are those seen, widened twofold."""
    assumption: str
    """What was claimed, in words."""


def variation_of(constant: float, degree: int) -> float:
    """The variation that a Fourier moment of order k + 1 gives: `2 constant / (k + 1)!`.

    On the cube, `cos(|omega|_B z + b)` as a function g of one variable z in [-1, 1] is by Taylor's formula a polynomial of degree
    k and the integral over u of `g^(k+1)(u) / k!` times `(z - u)_+^k` for u >= 0, `(u - z)_+^k` (up to sign) for u < 0. These are
    `(1 - |u|)^k` times units, and `integral over [-1, 1] of (1 - |u|)^k / k! du = 2 / (k + 1)!`. For k = 0 this is the 2 C_f of
    Barron (1993), Theorem 2; for k = 1, Klusowski & Barron (2018).
    """
    return 2 * constant / math.factorial(degree + 1)


def known(
    f: Any,
    domain: Any,
    dictionary: RidgeUnits,
    constant: float | None,
    variation: float | None,
    lipschitz: float | None,
) -> Claims:
    """The claims that were given, or else those of a `NamedTarget`, or else an estimated constant."""
    degree, named = dictionary.degree, f if isinstance(f, NamedTarget) else None
    if constant is not None and variation is not None:
        raise ValueError("give constant or variation, not both")
    target = _target(f, domain, lipschitz)
    if target.outputs != 1:
        raise ValueError(f"f must have one output; it has {target.outputs}; approximate them one by one")
    estimated, described = False, "the variation of f with respect to the units is at most {variation:.6g}"
    if variation is not None:
        check_positive("variation", variation)
    else:
        if constant is not None:
            check_positive("constant", constant)
        elif named is not None:
            constant, variation = _of_named(named, target, degree)
        if constant is None and variation is None:
            constant, estimated = barron_constant(target, order=degree + 1).value, True
        if variation is None:
            assert constant is not None
            variation = variation_of(constant, degree)
            moment = "the Barron constant" if degree == 0 else f"the Fourier moment of order {degree + 1}"
            described = f"{moment} of f on the box is at most {constant:.6g}"
    variation = float(variation)
    assumption = described.format(variation=variation) + (", estimated by Fourier series" if estimated else "")
    low, high, bounded = _range(target, named, degree, variation, estimated)
    return Claims(target, variation, constant, estimated, low, high, bounded, assumption)


def _target(f: Any, domain: Any, lipschitz: float | None) -> Target:
    """The function, with a Lipschitz constant proved by intervals if none is claimed and it is a function of JAX."""
    if isinstance(f, NamedTarget):
        box = f.domain if domain is None else as_box(domain)
        return Target(f.function, box, f.lipschitz if lipschitz is None else lipschitz)
    target = as_target(f, domain, lipschitz)
    if target.lipschitz is None:
        try:
            found = smoothness(target)
        except ValueError:  # it jumps, which the norm of L^2 allows
            return target
        if found.rigorous and 0 < found.lipschitz < math.inf:
            return dataclasses.replace(target, lipschitz=found.lipschitz)
    return target


def _of_named(named: NamedTarget, target: Target, degree: int) -> tuple[float | None, float | None]:
    """The smaller of the two variations that are known, and the constant it comes from."""
    given = named.variations.get(degree) if target.domain == named.domain else None
    if named.spectrum is None:
        return None, given
    constant = named.spectrum.moment(target.domain.sides / 2, degree + 1)
    return (None, given) if given is not None and given <= variation_of(constant, degree) else (constant, None)


def _range(
    target: Target, named: NamedTarget | None, degree: int, variation: float, estimated: bool
) -> tuple[float, float, bool]:
    """Bounds of the values, by all claims there are."""
    values = target(target.domain.dense(4096, seed=2))
    centre = float(target(target.domain.centre[None])[0, 0])
    lows, highs = [], []
    reaches = []
    if target.lipschitz is not None:
        reaches.append(target.lipschitz * target.domain.diameter / 2)
    if named is not None and named.spectrum is not None:
        reaches.append(named.spectrum.moment(target.domain.sides / 2, 1))
    if not estimated and degree == 1:
        reaches.append(variation + _reach_of_slopes(target, variation))
    for reach in reaches:
        lows.append(centre - reach)
        highs.append(centre + reach)
    if not estimated and degree == 0:
        _check_oscillation(values, variation)
        lows.append(float(values.max()) - variation)
        highs.append(float(values.min()) + variation)
    if lows:
        return max(lows), min(highs), True
    spread = float(values.max() - values.min())
    return float(values.min()) - spread / 2, float(values.max()) + spread / 2, False


def _reach_of_slopes(target: Target, variation: float) -> float:
    """A bound, on the cube, of the linear part that a variation of degree 1 leaves: of the sum of its absolute slopes.

    Half the difference across an axis is the slope and half a difference of two sums of units, of which one is 0 on either side.
    """
    domain, d = target.domain, target.domain.dimension
    faces = np.concatenate([np.eye(d), -np.eye(d)]) * domain.sides / 2 + domain.centre
    ends = target(faces)[:, 0]
    return float(np.abs(ends[:d] - ends[d:]).sum()) / 2 + d * variation / 2


def _check_oscillation(values: Float[np.ndarray, "n 1"], variation: float) -> None:
    """Units between 0 and 1 whose weights have absolute sum V vary by no more than V together."""
    oscillation = float(values.max() - values.min())
    if oscillation > variation * (1 + _SLACK):
        raise ValueError(
            f"the claimed constant is contradicted: it allows f to vary by {variation:.6g} on the box, the variation, which is 2 "
            f"C_f; f varies by {oscillation:.6g} at least; a constant C_f of {oscillation / 2:.6g} is needed, if there is one"
        )
