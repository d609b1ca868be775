"""How steep and how curved a function is: claimed, proved by intervals, or estimated."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits.approximation.intervals import enclose_derivatives, is_continuous, plain, unbounded_where_undefined
from nnlimits.approximation.target import Target
from nnlimits.validation import check_positive

_BOXES = 2**12
_PROBES = 2**13
_MARGIN = 1.05
"""An estimated constant is the steepest quotient found, and this much more."""

_HALVINGS = 36
"""Of a pair of points, to a distance at which no continuous function that is given in double precision has changed much."""

_SLACK = 1e-6
"""Relative excess of a second difference over a claim that its own truncation and rounding explain."""


@dataclasses.dataclass(frozen=True)
class Smoothness:
    """Constants of a function on its domain."""

    lipschitz: float
    curvature: float
    """A bound of the second derivative, of a function of one variable; infinity if none is known."""
    rigorous: bool
    """Whether the constants are claimed or proved."""
    assumptions: tuple[str, ...]


@functools.lru_cache(maxsize=64)
def smoothness(target: Target, curvature: float | None = None) -> Smoothness:
    """The Lipschitz constant that is claimed, or else proved by intervals for a function of JAX, or else estimated.

    **Arguments:** `target`; `curvature`, a claimed bound of the second derivative, or None to find one by intervals where f is a
    smooth function of JAX of one variable.

    **Raises:** `ValueError` for a claimed curvature that samples contradict, and for a function that jumps.
    """
    if curvature is not None:
        _check_curvature(target, curvature)
    assumptions = [f"the second derivative is at most {curvature:g}"] if curvature is not None else []
    bent = curvature if curvature is not None else (_proved_curvature(target) or math.inf)
    if target.lipschitz is not None:
        assumptions.append(f"f has the Lipschitz constant {target.lipschitz:g}")
        return Smoothness(target.lipschitz, bent, True, tuple(assumptions))
    proved = _proved(target.function, target)
    if proved is not None:
        return Smoothness(
            proved, bent, True, (*assumptions, "f is the function of real numbers that its program means")
        )
    points = target.domain.dense(_PROBES, seed=3)
    found, pair = target.steepest(points, target(points), seed=3)
    _check_continuous(target, pair)
    estimated = max(found * _MARGIN, float(np.finfo(np.float64).tiny))
    assumptions.append(f"f has the Lipschitz constant {estimated:.6g}, which was estimated from {_PROBES} points")
    return Smoothness(estimated, bent, False, tuple(assumptions))


def _proved(function: Callable[[Any], Any], target: Target) -> float | None:
    """The largest gradient by intervals; None if the function cannot be enclosed, or may jump."""
    domain = target.domain
    per_axis = max(1, int(_BOXES ** (1 / domain.dimension)))
    edges = [np.linspace(low, high, per_axis + 1) for low, high in zip(domain.lower, domain.upper, strict=True)]
    lower = np.stack([axis.ravel() for axis in np.meshgrid(*[e[:-1] for e in edges], indexing="ij")], axis=1)
    upper = np.stack([axis.ravel() for axis in np.meshgrid(*[e[1:] for e in edges], indexing="ij")], axis=1)
    try:
        if not is_continuous(function, domain.dimension):
            return None
        with unbounded_where_undefined():
            jacobian = enclose_derivatives(function, lower, upper).jacobian
    except (TypeError, NotImplementedError, ValueError, ArithmeticError):
        return None
    largest = float(jacobian.magnitude.max()) or 1.0  # squares of what is tiny would vanish
    steepest = float(np.sqrt(((jacobian.magnitude / largest) ** 2).sum(axis=-1)).max() * largest * (1 + 1e-14))
    return max(steepest, float(np.finfo(np.float64).tiny)) if math.isfinite(steepest) else None


def _proved_curvature(target: Target) -> float | None:
    if target.domain.dimension != 1:
        return None
    try:
        if not is_continuous(target.function, 1):  # the slope of a step is continuous
            return None
    except (TypeError, NotImplementedError):
        return None
    function = plain(target.function)

    def slope(x: Any) -> Any:
        return jax.jvp(function, (x,), (jnp.ones_like(x),))[1]

    return _proved(slope, target)


def _check_continuous(target: Target, pair: np.ndarray) -> None:
    """Halve the steepest pair's distance towards the larger change; what no halving removes is a jump."""
    low, high = pair
    first = change = float(np.abs(target(low[None]) - target(high[None])).max())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        at = target(np.stack([low, middle, high]))
        left, right = np.abs(np.diff(at, axis=0)).max(axis=1)
        low, high = (low, middle) if left >= right else (middle, high)
        change = max(left, right)
    if change > 0 and change >= first / 2:
        raise ValueError(
            f"f jumps by {change:.4g} at {middle.tolist()}: no continuous network is closer to it than {change / 2:.4g} in "
            "the sup norm, and no bound by a Lipschitz constant holds; remove the jump, or take a theorem for L^2 or L^p"
        )


def _check_curvature(target: Target, curvature: float) -> None:
    if target.domain.dimension != 1:
        raise ValueError(
            f"curvature is for functions of one variable; the domain has {target.domain.dimension} dimensions, where "
            "the bound follows from the Lipschitz constant"
        )
    check_positive("curvature", curvature)
    step = float(target.domain.sides[0]) / 1024
    centres = np.linspace(target.domain.lower[0] + step, target.domain.upper[0] - step, 2048)
    before, at, after = (target(centres[:, None] + shift) for shift in (-step, 0.0, step))
    bends = np.abs(after - 2 * at + before).max(axis=1) / step**2
    rounding = 8 * np.finfo(np.float64).eps * np.abs(at).max() / step**2
    worst = int(np.argmax(bends))
    if bends[worst] > curvature * (1 + _SLACK) + rounding:
        raise ValueError(
            f"curvature={curvature:g} is contradicted: around {centres[worst]:.6g} the second difference of f is "
            f"{bends[worst]:.6g} times the squared step; a bound of at least {bends[worst]:.6g} is needed, if there is one"
        )
