"""How an activation lets a value pass: where on it, and how far from there, it is affine enough.

A register holds a value v in [-1, 1] as `phi(point + reach v)`, and the next layer reads it as
`(phi(point + reach v) - phi(point)) / (reach phi'(point))`. Truncation is what phi bends over the reach; rounding is what
`phi(point)` takes of the digits of v. An activation with an affine piece truncates nothing; one that is zero at zero rounds no
more than a product does, however small the reach.

All others have an optimum. At an inflection each of L layers truncates `c r^2`, c a sixth of the third derivative over the slope;
this has one sign, and adds up to `c L r^2`. Roundings of pre-activations and values, about `e = eps max(|point|, |phi(point) /
phi'(point)|)`, are random, and add up to `e sqrt(L) / r`. The sum is least at `r^3 = e / (2 c sqrt(L))`, where it is
`3 (c e^2 L^2 / 4)^{1/3}`, of the order of `eps^{2/3}`, 2e-5 in float32. That cosine has a zero at its inflection pi/2 does
not help: a pre-activation there is rounded as numbers near pi/2 are, not as those near 0. Nor can layers undo each other's
truncation: the Schwarzian derivative of these activations is negative, and stays so under composition. (Hidden units that read a
register with a larger reach could, at the price of more layers; they are not used.)
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits import nn
from nnlimits.approximation.deep_narrow.curvature import departure, derivative

MARGIN = 1 / 4
"""How far beyond [-1, 1] a value may have drifted."""

_EVALUATION = 4.0
"""Errors of an activation's evaluation, in units of roundoff: what vectorised elementary functions promise."""

_SUMMANDS = 6.0
"""Roundings of the sum that makes a register's next pre-activation."""

_AROUND = 9
"""Points at which a place is tried before it is chosen."""

_TYPICAL = 1 / 16
"""What roundings add up to, as a share of their bound: they are of either sign, and not all as large as they can be."""


class Passing(NamedTuple):
    """Where a value passes through an activation, and what each layer does to it."""

    point: float
    """The centre of the pre-activations."""
    reach: float
    """Pre-activations are within this of the point, a power of two."""
    value: float
    """The activation at the point."""
    slope: float
    """Its slope there."""
    truncation: float
    """By how much a value in [-1, 1] changes with each layer, in real numbers."""
    rounding: float
    """The same, by rounding, at most."""
    proved: bool
    """Whether the truncation is a proved bound."""

    @property
    def change(self) -> float:
        """By how much a value changes with each layer at most."""
        return self.truncation + self.rounding

    @property
    def typical(self) -> float:
        """By how much a value changes with each layer of many; the place and the reach are chosen for this."""
        return self.truncation + _TYPICAL * self.rounding


def passing(activation: Any, dtype: Any = np.float64) -> Passing:
    """Where values pass through an activation with the least change at each of many layers.

    **Arguments:** `activation`; `dtype`, the precision that they pass in.

    **Raises:** `TypeError` for what is no activation; `ValueError` for one that is constant or affine, which no depth helps,
    or that has no slope in [-8, 8].
    """
    if not isinstance(activation, nn.Activation):
        raise TypeError(f"activation must be an activation of nnlimits.nn; received {activation!r}")
    _refuse_affine(activation)
    roundoff = float(np.finfo(dtype).eps) / 2
    found = _known(activation, roundoff)
    return _searched(activation, roundoff, dtype) if found is None else found


@functools.singledispatch
def _known(activation: nn.Activation, roundoff: float) -> Passing | None:
    """A place that analysis gives; `None` if the place must be searched for."""
    zero, slope, bend = (float(derivative(activation, order, 0.0)) for order in range(3))
    if zero != 0 or slope == 0 or not np.isfinite(bend) or 0.0 in activation.kinks:
        return None
    nearest = min((abs(kink) for kink in activation.kinks), default=math.inf)
    return passing_at(activation, 0.0, 2.0 ** math.floor(math.log2(min(roundoff**1.5, nearest / 2))), roundoff)


@_known.register(nn.Relu)
@_known.register(nn.LeakyRelu)
@_known.register(nn.Elu)
@_known.register(nn.Selu)
@_known.register(nn.Abs)
def _(activation: Any, roundoff: float) -> Passing:
    """Linear above zero."""
    return _exact(1 + MARGIN, 1.0, float(derivative(activation, 1, 1.0)), roundoff)


@_known.register
def _(activation: nn.ABRelu, roundoff: float) -> Passing:
    side = 1.0 if activation.b != 0 else -1.0
    return _exact(side * (1 + MARGIN), 1.0, float(activation.b if activation.b != 0 else activation.a), roundoff)


@_known.register
def _(_: nn.HardTanh, roundoff: float) -> Passing:
    return _exact(0.0, 0.5, 1.0, roundoff)


@_known.register
def _(_: nn.Softplus, roundoff: float) -> Passing:
    """Far to the right, where `log(1 + exp(x)) - x < exp(-x)`."""
    reach, beyond = 128.0, math.ceil(-math.log(roundoff))
    point = reach * (1 + MARGIN) + beyond
    return Passing(
        point, reach, point, 1.0, math.exp(-beyond) / reach, _rounding(point, reach, point, 1.0, roundoff), True
    )


def _exact(point: float, reach: float, slope: float, roundoff: float) -> Passing:
    value = slope * point
    return Passing(point, reach, value, slope, 0.0, _rounding(point, reach, value, slope, roundoff), True)


def passing_at(activation: nn.Activation, point: float, reach: float, roundoff: float) -> Passing:
    """What an activation does to values that pass it at a place, within a reach; `roundoff` is half a unit in the last place."""
    value, slope = (float(derivative(activation, order, point)) for order in (0, 1))
    bent = departure(activation, point, reach * (1 + MARGIN))
    truncation = bent.value / (reach * abs(slope))
    return Passing(point, reach, value, slope, truncation, _rounding(point, reach, value, slope, roundoff), bent.proved)


def _rounding(point: Any, reach: Any, value: Any, slope: Any, roundoff: float) -> Any:
    """The relative change of a value by one layer's roundings."""
    size = (abs(value) + reach * (1 + MARGIN) * abs(slope)) / abs(
        slope
    )  # of the activation's values, in pre-activations
    return roundoff * (_SUMMANDS * (size + abs(point) + reach) + _EVALUATION * size) / reach


def _searched(activation: nn.Activation, roundoff: float, dtype: Any) -> Passing:
    """The place and the reach with the least change: at inflections, or on a grid, reaches being powers of two."""
    points = np.asarray(_candidates(activation), dtype).astype(np.float64)
    value, slope = (np.abs(derivative(activation, order, points)) for order in (0, 1))
    usable = np.isfinite(value) & np.isfinite(slope) & (slope >= 1e-3)
    points, value, slope = points[usable, None], value[usable, None], slope[usable, None]
    reaches = 2.0 ** -np.arange(40)
    with np.errstate(over="ignore", invalid="ignore"):
        truncation = _departures(activation, points, reaches * (1 + MARGIN)) / (reaches * slope)
        change = truncation + _TYPICAL * _rounding(points, reaches, value, slope, roundoff)
    for kink in activation.kinks:
        change = np.where(np.abs(points - kink) <= reaches * (1 + MARGIN), np.inf, change)
    change = np.where(np.isfinite(change), change, np.inf)
    if not np.isfinite(change).any():
        raise ValueError(
            f"{activation!r} has no point with a derivative of at least 1e-3 in [-8, 8] where values could pass"
        )
    place, exponent = np.unravel_index(np.argmin(change), change.shape)
    return passing_at(activation, float(points[place, 0]), float(reaches[exponent]), roundoff)


def _departures(
    activation: nn.Activation, points: Float[np.ndarray, "points 1"], reaches: Float[np.ndarray, " reaches"]
) -> Float[np.ndarray, "points reaches"]:
    """As `departure`, of many places at once, from few samples of each."""
    around = points[:, :, None] + reaches[:, None] * np.linspace(-1, 1, _AROUND)
    second, third = (np.abs(derivative(activation, order, around)).max(axis=-1) for order in (2, 3))
    here = np.abs(derivative(activation, 2, points))
    return np.minimum(second * reaches**2 / 2, here * reaches**2 / 2 + third * reaches**3 / 6)


def _candidates(activation: nn.Activation) -> np.ndarray:
    """Points of a grid, and inflections between them."""
    grid = np.linspace(-8, 8, 33)
    fine = np.linspace(-8, 8, 1601) + 1e-9
    bends = derivative(activation, 2, fine)
    turns = np.flatnonzero(np.sign(bends[1:]) * np.sign(bends[:-1]) < 0)
    low, high, sign = fine[turns], fine[turns + 1], np.sign(bends[turns])
    for _ in range(60):
        middle = (low + high) / 2
        below = np.sign(derivative(activation, 2, middle)) == sign
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.concatenate([grid, np.round((low + high) / 2, 15)])


def _refuse_affine(activation: nn.Activation) -> None:
    values = derivative(activation, 0, np.linspace(-4, 4, 129))
    if np.abs(np.diff(values, 2)).max() <= 1e-12 * np.abs(values).max():
        raise ValueError(
            f"{activation!r} is affine: networks of it are affine functions at any depth, and approximate nothing else; take one "
            "that is not, such as nn.Relu() or nn.Tanh()"
        )
