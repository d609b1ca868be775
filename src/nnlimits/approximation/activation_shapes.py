"""What an activation looks like from afar: a kink, a step, a bump, a wave, or a polynomial.

Shallow constructions need no more than this, and bounds of how fast the activation comes close to it.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from nnlimits import nn


@dataclasses.dataclass(frozen=True)
class Kink:
    """`|phi(at + x) - level - left min(x, 0) - right max(x, 0)| <= tail(t)` for all `|x| >= t`; `tail` does not increase."""

    left: float
    right: float
    at: float = 0.0
    level: float = 0.0
    tail: Callable[[Any], Any] | None = None
    """None if the activation is this piecewise linear function."""


@dataclasses.dataclass(frozen=True)
class Jump:
    """`phi(x)` goes from `left` at minus infinity to `right` at infinity.

    With `S = (phi - left) / (right - left)`, `variation` bounds the integral of `|S'|`, and `moment` that of `|x S'(x)|`.
    """

    left: float
    right: float
    variation: float
    moment: float


@dataclasses.dataclass(frozen=True)
class Ramp:
    """Linear from `low` to `high`, constant outside: `phi = -1` and `1` there."""

    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Bump:
    """`height exp(-x^2 / (2 deviation^2))`."""

    height: float
    deviation: float


@dataclasses.dataclass(frozen=True)
class Wave:
    """`amplitude sin(frequency x + phase)`."""

    amplitude: float
    frequency: float
    phase: float


@dataclasses.dataclass(frozen=True)
class PolynomialShape:
    """A polynomial of a degree: no sum of its ridges is dense in anything."""

    degree: int


@dataclasses.dataclass(frozen=True)
class Power:
    """`max(x, 0)^degree`."""

    degree: int


@dataclasses.dataclass(frozen=True)
class Unknown:
    """No shape is known."""


Shape = Kink | Jump | Ramp | Bump | Wave | Power | PolynomialShape | Unknown


@functools.singledispatch
def shape_of(activation: Any) -> Shape:
    """The shape of an activation; rules are registered by type."""
    del activation
    return Unknown()


@shape_of.register
def _(_: nn.Identity) -> Shape:
    return PolynomialShape(1)


@shape_of.register
def _(activation: nn.Hermite) -> Shape:
    return PolynomialShape(activation.degree)


@shape_of.register
def _(activation: nn.Monomial) -> Shape:
    return PolynomialShape(activation.degree)


@shape_of.register
def _(activation: nn.Polynomial) -> Shape:
    degrees = [power for power, coefficient in enumerate(activation.coefficients) if float(coefficient) != 0]
    return PolynomialShape(max(degrees, default=0))


@shape_of.register
def _(_: nn.Relu) -> Shape:
    return Kink(0.0, 1.0)


@shape_of.register
def _(_: nn.Abs) -> Shape:
    return Kink(-1.0, 1.0)


@shape_of.register
def _(activation: nn.LeakyRelu) -> Shape:
    return _two_slopes(float(activation.negative_slope), 1.0)


@shape_of.register
def _(activation: nn.ABRelu) -> Shape:
    return _two_slopes(float(activation.a), float(activation.b))


def _two_slopes(left: float, right: float) -> Shape:
    return PolynomialShape(int(left != 0)) if left == right else Kink(left, right)


@shape_of.register
def _(activation: nn.RectifiedMonomial) -> Shape:
    return {0: Jump(0.0, 1.0, 1.0, 0.0), 1: Kink(0.0, 1.0)}.get(activation.degree, Power(activation.degree))


@shape_of.register
def _(_: nn.Softplus) -> Shape:
    # softplus(x) - max(x, 0) = log(1 + exp(-|x|))
    return Kink(0.0, 1.0, tail=lambda t: np.log1p(np.exp(-t)))


@shape_of.register
def _(_: nn.Silu) -> Shape:
    # |x| / (1 + exp(|x|)), largest where x = 1 + exp(-x): at 1.2785, of value 0.27846...
    return Kink(0.0, 1.0, tail=lambda t: np.where(t <= 1.2785, 0.27847, t * special.expit(-t)))


@shape_of.register
def _(activation: nn.Gelu) -> Shape:
    if activation.approximate:

        def tail(t: Any) -> Any:
            # the part lost is |x| / (1 + exp(2 u)), u the argument of tanh; it falls from 0.8 on, and is below 0.1701 everywhere
            u = math.sqrt(2 / math.pi) * (t + 0.044715 * t**3)
            return np.where(t <= 0.8, 0.1701, t * special.expit(-2 * u))

        return Kink(0.0, 1.0, tail=tail)
    # |x| Phi(-|x|), largest at 0.7518, of value 0.16997...
    return Kink(0.0, 1.0, tail=lambda t: np.where(t <= 0.752, 0.17, t * special.erfc(t / math.sqrt(2)) / 2))


@shape_of.register
def _(_: nn.Mish) -> Shape:
    # below zero |x| tanh(softplus(x)) <= |x| exp(-|x|); above 2 x / (1 + (1 + exp(x))^2), which is less
    return Kink(0.0, 1.0, tail=lambda t: np.where(t <= 1, math.exp(-1) * (1 + 1e-15), t * np.exp(-t)))


@shape_of.register
def _(activation: nn.Elu) -> Shape:
    return _exponential_kink(float(activation.alpha), 1.0)


@shape_of.register
def _(_: nn.Selu) -> Shape:
    return _exponential_kink(1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


def _exponential_kink(alpha: float, scale: float) -> Shape:
    """`x` above zero and `alpha (exp(x) - 1)` below: the lines `-alpha` and `x` meet at -alpha."""
    if alpha == 0:
        return Kink(0.0, scale)
    size = scale * abs(alpha)
    # from the lines' crossing to zero `alpha exp(u - alpha) - u` is convex: largest at an end, least at `alpha - log(alpha)`
    dip = alpha - 1 - math.log(alpha) if alpha > 1 else 0.0
    near = size if alpha < 0 else scale * max(alpha * math.exp(-alpha), dip) * (1 + 1e-14)

    def tail(t: Any) -> Any:
        with np.errstate(over="ignore"):
            return np.where(t <= abs(alpha), near, size * np.exp(-alpha - t) * (1 + 1e-14))

    return Kink(0.0, scale, at=-alpha, level=-scale * alpha, tail=tail)


@shape_of.register
def _(_: nn.Step) -> Shape:
    return Jump(0.0, 1.0, 1.0, 0.0)


@shape_of.register
def _(_: nn.Sign) -> Shape:
    return Jump(-1.0, 1.0, 1.0, 0.0)


@shape_of.register
def _(_: nn.Tanh) -> Shape:
    # the integral of 1 - tanh over the positive numbers is log 2
    return Jump(-1.0, 1.0, 1.0, math.log(2))


@shape_of.register
def _(_: nn.Sigmoid) -> Shape:
    return Jump(0.0, 1.0, 1.0, 2 * math.log(2))


@shape_of.register
def _(activation: nn.Erf) -> Shape:
    a, b, c = float(activation.a), float(activation.b), float(activation.c)
    if a * b == 0:
        return PolynomialShape(0)
    change = a if b > 0 else -a
    return Jump(c - change, c + change, 1.0, 1 / (math.sqrt(math.pi) * abs(b)))


@shape_of.register
def _(_: nn.HardTanh) -> Shape:
    return Ramp(-1.0, 1.0)


@shape_of.register
def _(activation: nn.Gaussian) -> Shape:
    a, b = float(activation.a), float(activation.b)
    if a * b == 0:
        return PolynomialShape(0)
    return Bump(a, 1 / math.sqrt(-2 * b)) if b < 0 else Unknown()


@shape_of.register
def _(activation: nn.Sin) -> Shape:
    return _wave(float(activation.a), float(activation.b), float(activation.c))


@shape_of.register
def _(activation: nn.Cos) -> Shape:
    return _wave(float(activation.a), float(activation.b), float(activation.c) + math.pi / 2)


@shape_of.register
def _(activation: nn.Rbf) -> Shape:
    return _wave(math.sqrt(2), math.sqrt(2 * float(activation.gamma)), math.pi / 4)


def _wave(amplitude: float, frequency: float, phase: float) -> Shape:
    return PolynomialShape(0) if amplitude * frequency == 0 else Wave(amplitude, frequency, phase)


@shape_of.register
def _(activation: nn.Exp) -> Shape:
    return PolynomialShape(0) if float(activation.a) * float(activation.b) == 0 else Unknown()
