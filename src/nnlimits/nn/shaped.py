"""Activations that straighten as the network deepens."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from nnlimits.nn.activation import Activation
from nnlimits.nn.depth_dependent import DepthDependent
from nnlimits.nn.fields import Scalar, real_field
from nnlimits.nn.identity import Identity
from nnlimits.nn.layer import Layer
from nnlimits.nn.relu import ABRelu
from nnlimits.nn.scale import Scale
from nnlimits.nn.sequential import Sequential
from nnlimits.validation import is_traced

_ABSCISSAS = np.linspace(-12.0, 12.0, 4001)
"""Of the trapezoidal rule, whose error for analytic functions is exponentially small in the distance of their singularities."""


class ShapedRelu(DepthDependent):
    """`s_plus max(x, 0) + s_minus min(x, 0)` with slopes `s = 1 + c / sqrt(depth)`, over the root of its second moment at a
    standard Gaussian, where `depth` is that of the innermost `Repeat` in whose block it stands (Li, Nica & Roy 2022).

    In `nn.Repeat(nn.Sequential(nn.ShapedRelu(c_plus, c_minus), nn.Dense(n)), depth)`, with `w_std=1` and no bias, variances are
    kept, and correlations of inputs do not all tend to one however deep the network. There is a limit of infinite depth after
    infinite width (`nnlimits.kernel`), and one of both together (`nnlimits.infinite_depth.covariance_samples`).

    The paper's slopes are `1 + c / sqrt(width)`: its c is the one given here times `sqrt(width / depth)`.

    **Arguments:** `c_plus` and `c_minus`, real numbers, equal for a linear network.
    """

    c_plus: Scalar = real_field("c_plus")
    c_minus: Scalar = real_field("c_minus")

    def at_depth(self, depth: int | float) -> Layer:
        """The activation in a `Repeat` of that depth; of an infinite one, its limit, the identity.

        **Raises:** `ValueError` where both slopes are zero.
        """
        if math.isinf(depth):
            return Identity()
        positive, negative = 1 + self.c_plus / math.sqrt(depth), 1 + self.c_minus / math.sqrt(depth)
        second_moment = (positive**2 + negative**2) / 2
        if not is_traced(second_moment) and not second_moment > 0:
            raise ValueError(f"{self!r} at depth {depth} has two slopes of zero, 1 + c / sqrt(depth); take another c")
        scale = second_moment**-0.5
        return ABRelu(negative * scale, positive * scale)

    @property
    def advice(self) -> tuple[str, str]:
        return "nn.Repeat(nn.Sequential(nn.ShapedRelu(0.0, -1.0), nn.Dense(512)), 64)", "nn.ABRelu"


class Curvatures(NamedTuple):
    """How a function bends at zero, in units of its slope there."""

    second: Scalar
    """`phi''(0) / phi'(0)`."""
    third: Scalar
    """`phi'''(0) / phi'(0)`."""


def _as_activation(value: Any) -> Activation:
    if not isinstance(value, Activation):
        raise TypeError(f"activation must be an activation of nnlimits.nn, such as nn.Tanh(); received {value!r}")
    return value


class Shaped(DepthDependent):
    """`s phi(x / s)` with `s = a sqrt(depth)`, over the root of its second moment at a standard Gaussian, where `depth` is that
    of the innermost `Repeat` in whose block it stands: a smooth activation, of which a deep network sees what is near zero (Li,
    Nica & Roy 2022).

    In `nn.Repeat(nn.Sequential(nn.Shaped(phi, a), nn.Dense(n)), depth)`, with `w_std=1` and no bias, there is a limit of
    infinite depth after infinite width (`nnlimits.kernel`), and one of both together
    (`nnlimits.infinite_depth.covariance_samples`). With `c2 = phi''(0) / phi'(0)` and `c3 = phi'''(0) / phi'(0)`, variances of
    one are kept, and return to one if `3 c2^2 / 4 + c3 < 0`, as of `nn.Tanh()`; else those above one grow, and networks that are
    deep for their width may explode, as with `nn.Silu()`.

    The paper's s is `a sqrt(width)`: its a is the one given here times `sqrt(depth / width)`.

    **Arguments:** `activation`, smooth, zero at zero and with a slope there; `a`, a positive number, large for a nearly linear
    network.

    **Raises:** `TypeError` for what is no activation; `ValueError` for one with a kink, with `phi(0) != 0` or `phi'(0) = 0`, or
    if `a` is not positive.
    """

    activation: Activation = eqx.field(converter=_as_activation)
    a: Scalar = real_field("a")

    def __check_init__(self) -> None:
        if not is_traced(self.a) and not self.a > 0:
            raise ValueError(f"a must be positive; received {self.a:g}")
        if self.activation.kinks:
            raise ValueError(
                f"activation must be smooth; {self.activation!r} has kinks at {self.activation.kinks}. For a rectifier there is "
                "nn.ShapedRelu"
            )
        value, slope, *_ = _derivatives(self.activation)
        if is_traced((value, slope)):
            return
        if not abs(value) < 1e-12:
            raise ValueError(
                f"activation must be zero at zero; {self.activation!r} is {float(value):g} there. Take away the constant, as in "
                "nn.Elementwise(lambda x: jnp.cos(x + 1) - jnp.cos(1))"
            )
        if not (abs(slope) > 1e-12 and math.isfinite(slope)):
            raise ValueError(
                f"activation must have a slope at zero, which is what deep networks see of it; {self.activation!r} has the slope "
                f"{float(slope):g}"
            )

    @property
    def curvatures(self) -> Curvatures:
        """At zero, in units of the slope: all that the limit of infinite depth knows of the activation."""
        _, slope, second, third = _derivatives(self.activation)
        return Curvatures(second / slope, third / slope)

    def at_depth(self, depth: int | float) -> Layer:
        """The activation in a `Repeat` of that depth; of an infinite one, its limit, the identity."""
        if math.isinf(depth):
            return Identity()
        s = self.a * math.sqrt(depth)
        moment = _second_moment(self.activation, s)
        if not is_traced(moment) and not 0 < moment < math.inf:
            raise ValueError(
                f"{self!r} at depth {depth} has the second moment {moment:g} at Gaussians of scale {1 / float(s):.3g}; take an "
                "activation that is finite on the whole line, or a larger a"
            )
        return Sequential(Scale(1 / s), self.activation, Scale(moment**-0.5))

    @property
    def advice(self) -> tuple[str, str]:
        return "nn.Repeat(nn.Sequential(nn.Shaped(nn.Tanh(), 1.0), nn.Dense(512)), 64)", "the activation itself"


def _derivatives(activation: Activation) -> tuple[Any, ...]:
    """The value and three derivatives at zero: numbers, in double precision, unless the activation's parameters are traced."""
    functions: list[Any] = [activation]
    for _ in range(3):
        functions.append(jax.grad(functions[-1]))
    if is_traced(activation):
        return tuple(function(jnp.zeros(())) for function in functions)
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        return tuple(float(function(jnp.zeros((), np.float64))) for function in functions)


def _second_moment(activation: Activation, s: Scalar) -> Any:
    """`E[phi(g / s)^2]`, of a standard Gaussian g."""
    weights = np.exp(-(_ABSCISSAS**2) / 2)
    weights /= weights.sum()
    if is_traced((activation, s)):
        return jnp.asarray(weights) @ activation(jnp.asarray(_ABSCISSAS) / s) ** 2
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        return float(weights @ np.asarray(activation(jnp.asarray(_ABSCISSAS / float(s)))) ** 2)
