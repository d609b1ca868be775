"""Barron constants: given, from a known spectrum, or estimated by Fourier series of extensions."""

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.domain import Box, as_box
from nnlimits.approximation.target import Target, as_target
from nnlimits.approximation.targets import NamedTarget
from nnlimits.nn.fields import as_integer

_MOST_POINTS = 2**20
_PERIODS = 1.5, 2.5, 6.0
"""Half the period of the series over half the side of the box."""

_FINEST = {1: 4096, 2: 256, 3: 64, 4: 32, 5: 16, 6: 10}
"""Points along an axis of the finest grid."""

_ACCURATE = 0.05
"""The largest relative error of an estimate that is returned."""

_SHRINKS = 0.7
"""A sequence converges if its increments shrink by this at least as the grid is refined twice."""

_SETTLED = 1e-3
"""A last increment, relative to the sum, that is the error itself."""


@dataclasses.dataclass(frozen=True)
class BarronConstant:
    """An estimate of `integral of |omega|_B^order |F|(d omega)`, `|omega|_B = sup over x of |omega . (x - centre)|`."""

    value: float
    """The smallest over the extensions that were tried; other extensions of the function may have smaller ones."""
    error: float
    """How much finer grids would still change it, estimated from the grids that were tried."""
    order: int
    """The power of the frequency."""
    grids: tuple[int, ...]
    """Points along an axis, of the grids of the extension that was taken; none for a closed form."""
    estimates: tuple[float, ...]
    """The estimate on each."""

    @property
    def is_closed_form(self) -> bool:
        """Whether the value is that of a known Fourier transform."""
        return not self.grids


def barron_constant(f: Any, domain: Any = None, *, order: int = 1) -> BarronConstant:
    """The Barron constant of a function on a box: in closed form, or estimated from its values (Barron 1993, equation 4).

    Of a `NamedTarget` with a known spectrum it is the moment of that. Otherwise the function, less a constant (its median), is
    taken beyond the box times a smooth window, so that its periodic continuation has a Fourier series
    `sum_k c_k exp(i omega_k . x)` that is the function on the box. Any such continuation gives an upper bound
    `sum_k |omega_k|_B^order |c_k|` of the least constant; the smallest of several periods is returned. Coefficients come from
    fast Fourier transforms on three grids, each refined by 1.4 or so.

    Both are upper bounds, of different continuations: of `exp(-|x|^2)` they differ by some percent, of sines, which the window
    cuts off, by more, the more dimensions there are. Give `constant=` where a closed form is known.

    **Arguments:** `f` and `domain`, of up to 6 dimensions, as of `Target`, or a `NamedTarget`, on its cube if `domain` is left
    out; f must also be finite on the box enlarged sixfold, or less, by a half at least; `order`, the power of the frequency: 1
    for units of degree 0, k + 1 for degree k.

    **Raises:** `ValueError` where the sum does not converge as the grid is refined, with its values, as it does not for
    functions with jumps, and for kinks; where f is not finite beyond the box; above six dimensions; for a `NamedTarget` with
    a box of another dimension.
    """
    order = as_integer("order", 1, order)
    if isinstance(f, NamedTarget):
        box = f.domain if domain is None else as_box(domain)
        _check_dimension(f, box)
        if f.spectrum is not None:
            return BarronConstant(f.spectrum.moment(box.sides / 2, order), 0.0, order, (), ())
        f, domain = f.function, box
    target = as_target(f, domain)
    if target.domain.dimension not in _FINEST:
        raise ValueError(
            f"a Barron constant is estimated in up to 6 dimensions; received {target.domain.dimension}; give it"
        )
    if target.outputs != 1:
        raise ValueError(f"a Barron constant is of one output; f has {target.outputs}")
    found = [one for period in _PERIODS if (one := _estimated(target, order, period)) is not None]
    if not found:
        raise ValueError(
            "f is not finite beyond the domain, where its Fourier series is taken; give constant=, or a function that is defined "
            "on the box enlarged by a half"
        )
    best = min(found, key=lambda one: one.value + one.error)
    if not best.error <= _ACCURATE * best.value:
        raise ValueError(_divergence(min(found, key=lambda one: one.estimates[-1])))
    return best


def _check_dimension(named: NamedTarget, box: Box) -> None:
    if box.dimension != named.dimension:
        raise ValueError(
            f"{named.name} was made for {named.dimension} inputs, and domain has {box.dimension} dimensions"
        )


def _divergence(found: BarronConstant) -> str:
    name = "C_f" if found.order == 1 else f"the moment of order {found.order} of its Fourier transform"
    shown = ", ".join(f"{value:.4g} on {n} points" for n, value in zip(found.grids, found.estimates, strict=True))
    growth = math.log(found.estimates[-1] / found.estimates[0]) / math.log(found.grids[-1] / found.grids[0])
    return (
        f"{name} does not converge as the grid is refined: {shown} along each axis, a growth of order {growth:.2f}. It is "
        "infinite for functions with jumps, and for kinks unless they are smoother than the order needs; give constant= or "
        "variation= if one is known, smooth f, or use a theorem for Lipschitz functions"
    )


def _estimated(target: Target, order: int, period: float) -> BarronConstant | None:
    finest = _FINEST[target.domain.dimension]
    grids = tuple(max(4, 2 * round(finest / factor / 2)) for factor in (2.0, math.sqrt(2), 1.0))
    try:
        sums = tuple(_moment(target, order, period, n) for n in grids)
    except ValueError:
        return None
    first, last = abs(sums[1] - sums[0]), abs(sums[2] - sums[1])
    ratio = last / first if first > 0 else 0.0
    if last <= _SETTLED * sums[2]:
        error = max(last, 1e-12 * sums[2])
    elif ratio < _SHRINKS:  # as the rest of a geometric series
        error = last * ratio / (1 - ratio) + last
    else:
        error = math.inf
    return BarronConstant(sums[2], error, order, grids, sums)


def _moment(target: Target, order: int, period: float, n: int) -> float:
    """`sum_k |omega_k|_B^order |c_k|` on the grid of n points along an axis."""
    domain = target.domain
    steps = 2 * period * np.arange(n) / n - period
    z = np.stack([axis.ravel() for axis in np.meshgrid(*[steps] * domain.dimension, indexing="ij")], axis=1)
    window: Any = math.prod(_window((np.abs(z[:, axis]) - 1) / (period - 1)) for axis in range(domain.dimension))
    inside = np.flatnonzero(np.asarray(window))
    values = np.zeros(len(z))
    found = _values(target, domain, z[inside])
    values[inside] = window[inside] * (found - np.median(found))
    coefficients = np.abs(np.fft.fftn(values.reshape([n] * domain.dimension))) / len(values)
    frequency = np.abs(np.fft.fftfreq(n, 1 / n)) * math.pi / period
    sizes: Any = 0.0
    for axis in range(domain.dimension):
        sizes = sizes + frequency.reshape([-1 if axis == other else 1 for other in range(domain.dimension)])
    return float((coefficients * sizes**order).sum())


def _values(target: Target, domain: Box, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    return target(domain.centre + z * domain.sides / 2)[:, 0]


def _window(t: Float[np.ndarray, " n"]) -> Any:
    """1 for t <= 0, 0 for t >= 1, with derivatives of all orders."""
    t = np.clip(t, 1e-12, 1 - 1e-12)
    return np.where(t > 1 - 1e-9, 0.0, 1 / (1 + np.exp(np.clip(1 / (1 - t) - 1 / t, -700, 700))))
