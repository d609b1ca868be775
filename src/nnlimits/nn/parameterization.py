"""The parameterization of a network, as a layer at one place in it sees it.

A combinator tells each of its members where it stands (`at`): whether the number of channels that reach it is a width, and
whether that of the channels that it makes can be one, or is the number of the network's outputs. A layer says of each parameter
which channels it connects (`Weight`, `Vector`), and is told its scales.
"""

import dataclasses
import math
from typing import Any, Literal, NamedTuple

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from nnlimits.nn.abc_parameterization import ABC
from nnlimits.nn.fields import Scalar

DEFAULT_PARAMETERIZATION = "ntk"

End = Literal["input", "output", "inside"]
"""Channels that a parameter connects: those of the layer's input, of its output, or a width inside the layer."""


class Weight(NamedTuple):
    """A linear map's weight, of scale `std / sqrt(fan_in)` where nothing grows."""

    std: Scalar
    fan_in: int
    fan_out: int
    source: End = "input"
    target: End = "output"


class Vector(NamedTuple):
    """A number for each of the target's channels: a bias, a gain, or one row of an embedding."""

    std: Scalar
    channels: int
    target: End = "output"


class Scales(NamedTuple):
    """What a parameter's first draw is multiplied by, what the parameter is, and what its learning rate is."""

    initial: Scalar
    multiplier: Scalar
    rate: float


@dataclasses.dataclass(frozen=True)
class Parameterization:
    """The exponents of a network, and where in it a layer stands.

    `wide_input`: whether the number of channels that reach the layer is a width, which grows with the network; that of the data
    is fixed. `wide_output`: whether the channels that it makes can be a width; those of the network's outputs cannot.
    """

    exponents: ABC
    wide_input: bool = False
    wide_output: bool = False

    def at(self, wide_input: bool, wide_output: bool) -> "Parameterization":
        """The same at another place; all places are alike where exponents follow the fan-in."""
        if self.exponents.follows_fan_in:
            return self
        return dataclasses.replace(self, wide_input=wide_input, wide_output=wide_output)

    def scales(self, what: Weight | Vector | Scalar) -> Scales:
        """The scales of a parameter; a number is a scale that no width changes."""
        std, *factors = self._factors(what)
        multiplied = self.exponents.multiplies
        initial, multiplier, rate = 1.0 if multiplied else std, std if multiplied else 1.0, 1.0
        for size, exponents in factors:
            initial = _shrunk(initial, size, exponents.b)
            multiplier = _shrunk(multiplier, size, exponents.a)
            rate = _shrunk(rate, size, exponents.c)
        return Scales(initial, multiplier, rate)

    def drawn(self, key: PRNGKeyArray, shape: tuple[int, ...], scales: Scales, dtype: Any) -> Float[Array, "..."]:
        """The initial value of a parameter of `shape`."""
        return times(scales.initial, jax.random.normal(key, shape, dtype))

    def filled(self, value: float, shape: tuple[int, ...], scales: Scales, dtype: Any) -> Float[Array, "..."]:
        """The initial value of a parameter that starts the same everywhere."""
        return times(scales.initial, jax.numpy.full(shape, value, dtype))

    def _factors(self, what: Weight | Vector | Scalar) -> tuple[Any, ...]:
        """The deviation of a parameter where its layer does not average, and the sizes and exponents that change it."""
        abc = self.exponents
        if isinstance(what, Weight):
            wide = self._wide(what.target)
            if self._wide(what.source):
                return what.std, (what.fan_in, abc.hidden if wide else abc.output)
            factors = what.std, (what.fan_in, abc.fixed)
            return (*factors, (what.fan_out, abc.input)) if wide else factors
        if isinstance(what, Vector):
            return (what.std, (what.channels, abc.input)) if self._wide(what.target) else (what.std,)
        return (what,)

    def _wide(self, end: End) -> bool:
        if self.exponents.follows_fan_in:
            return False  # so that a scale is `std / sqrt(fan_in)` in one way of rounding
        return {"input": self.wide_input, "output": self.wide_output, "inside": True}[end]


def times(scale: Scalar, values: Float[Array, "..."]) -> Float[Array, "..."]:
    """`scale * values`, without a product by one."""
    return values if isinstance(scale, float) and scale == 1 else scale * values


def _shrunk(value: Any, size: int, exponent: float) -> Any:
    """`value size^-exponent`."""
    if exponent == 0:
        return value
    return value / math.sqrt(size) if exponent == 0.5 else value * float(size) ** -exponent
