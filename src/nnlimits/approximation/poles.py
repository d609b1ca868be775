"""Where a function of JAX is not bounded on a box, such as `1/x` at zero: points drawn at random do not meet such places."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from nnlimits.approximation.domain import Box
from nnlimits.approximation.intervals import enclose, unbounded_where_undefined

_HALVINGS = 46
"""Of each side, after which what intervals do not bound is taken for a point."""

_MOST_BOXES = 1000
"""Looked at, more than any pole in six dimensions needs that overestimates do not hide."""

_SHARES = 1e-4, 1e-10
"""Of the way from the place to random points of the box; a logarithm is 2.5 times as large at the second, a power more."""

_DIRECTIONS = 16

_GROWS = 1.5


def check_bounded(function: Callable[[Any], Any], domain: Box) -> None:
    """Refuse a function that grows without bound within a box.

    Intervals say where it may: boxes on which they do not bound the function are halved until one is as small as rounding lets
    it be. That it does is seen from its values, larger the nearer to that place. What is no function of JAX, or has primitives
    without a rule, is not looked at.

    **Arguments:** `function`, from points (n, d) to values (n,) or (n, outputs); `domain`.

    **Raises:** `ValueError` with the place, and whether a division by zero is the reason.
    """
    try:
        place = _unbounded_place(function, domain)
    except (TypeError, NotImplementedError, ValueError, ArithmeticError):
        return
    if place is None:
        return
    far, near = (_size_near(function, domain, place, share) for share in _SHARES)
    if near > _GROWS * far:
        reason = ", a division by zero" if _divides_by_zero(function, domain, place) else ""
        at = (np.round(place, 10) + 0.0).tolist()
        raise ValueError(
            f"f is not bounded near {at}{reason}: about {far:.3g} at {_SHARES[0]:g} of the way from there to other points, and "
            f"{near:.3g} at {_SHARES[1]:g}; it must be finite on the whole domain: take a domain without that point"
        )


def _unbounded_place(function: Callable[[Any], Any], domain: Box) -> Float[np.ndarray, " d"] | None:
    """The centre of a tiny box on which intervals do not bound the function, by a search in depth."""
    lower, upper = np.asarray(domain.lower), np.asarray(domain.upper)
    stack = [(lower, upper)] if _unbounded(function, lower[None], upper[None])[0] else []
    looked = 0
    while stack and looked < _MOST_BOXES:
        low, high = stack.pop()
        if ((high - low) <= 2.0**-_HALVINGS * domain.sides).all():
            return (low + high) / 2
        longest, looked = int(np.argmax((high - low) / domain.sides)), looked + 1
        middle = (low[longest] + high[longest]) / 2
        lows, highs = np.stack([low, low]), np.stack([high, high])
        lows[1, longest] = highs[0, longest] = middle
        found = _unbounded(function, lows, highs)
        stack += [(a, b) for a, b, unbounded in zip(lows, highs, found, strict=True) if unbounded]
    return None


def _unbounded(
    function: Callable[[Any], Any], low: Float[np.ndarray, "n d"], high: Float[np.ndarray, "n d"]
) -> list[bool]:
    with unbounded_where_undefined():
        found = enclose(function, low, high)
    ends = np.asarray([found.lower, found.upper], np.float64).reshape(2, len(low), -1)
    bounded: Any = np.isfinite(ends).all(axis=(0, 2))
    return [not finite for finite in bounded]


def _divides_by_zero(function: Callable[[Any], Any], domain: Box, place: Float[np.ndarray, " d"]) -> bool:
    half = 2.0**-_HALVINGS * domain.sides
    try:
        enclose(function, (place - half)[None], (place + half)[None])
    except ZeroDivisionError:
        return True
    except (ValueError, ArithmeticError):
        return False
    return False


def _size_near(function: Callable[[Any], Any], domain: Box, place: Float[np.ndarray, " d"], share: float) -> float:
    """The median absolute value at points a share of the way from the place to random points of the box."""
    points = place + share * (domain.uniform(np.random.default_rng(0), _DIRECTIONS) - place)
    with jax.enable_x64(True), np.errstate(all="ignore"):
        return float(np.median(np.abs(np.asarray(function(points), np.float64))))
