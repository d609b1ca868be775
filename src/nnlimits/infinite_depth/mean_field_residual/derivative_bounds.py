"""How large an activation and its first two derivatives can be."""

import functools
import math
from typing import NamedTuple

from nnlimits import nn


class DerivativeBounds(NamedTuple):
    """Suprema of the absolute value over all real numbers."""

    value: float
    slope: float
    curvature: float


@functools.singledispatch
def derivative_bounds(activation: nn.Activation) -> DerivativeBounds:
    """The bounds that a certificate is made of.

    A rule for another activation is registered with `derivative_bounds.register`.

    **Raises:** `NotImplementedError` for an activation without a rule, such as those that are unbounded or kinked.
    """
    raise NotImplementedError(
        f"{activation!r} has no known bounds of its value and of two derivatives, which a certificate needs; nn.Tanh(), nn.Erf(), "
        "nn.Sin(), nn.Cos() and nn.Sigmoid() have; for one of yours register derivative_bounds.register(type(activation))"
    )


@derivative_bounds.register
def _(activation: nn.Tanh) -> DerivativeBounds:
    return DerivativeBounds(1.0, 1.0, 4 / (3 * math.sqrt(3)))


@derivative_bounds.register
def _(activation: nn.Erf) -> DerivativeBounds:
    a, b, c = (abs(float(part)) for part in (activation.a, activation.b, activation.c))
    return DerivativeBounds(a + c, 2 * a * b / math.sqrt(math.pi), a * b**2 * math.sqrt(8 / (math.e * math.pi)))


@derivative_bounds.register(nn.Sin)
@derivative_bounds.register(nn.Cos)
def _(activation: nn.Sin | nn.Cos) -> DerivativeBounds:
    a, b = abs(float(activation.a)), abs(float(activation.b))
    return DerivativeBounds(a, a * b, a * b**2)


@derivative_bounds.register
def _(activation: nn.Sigmoid) -> DerivativeBounds:
    return DerivativeBounds(1.0, 0.25, 1 / (6 * math.sqrt(3)))
