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

from nnlimits.nn.abc_parameterization import ABC, Exponents
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
        if isinstance(what, Weight):
            fixed, size, exponents = self._of_weight(what)
        elif isinstance(what, Vector):
            wide = self._wide(what.target)
            fixed, size, exponents = what.std, what.channels, self.exponents.input if wide else _FIXED
        else:
            fixed, size, exponents = what, 1, _FIXED
        multiplied = self.exponents.std_in == "multiplier"
        return Scales(
            _shrunk(1.0 if multiplied else fixed, size, exponents.b),
            _shrunk(fixed if multiplied else 1.0, size, exponents.a),
            _shrunk(1.0, size, exponents.c),
        )

    def drawn(self, key: PRNGKeyArray, shape: tuple[int, ...], scales: Scales, dtype: Any) -> Float[Array, "..."]:
        """The initial value of a parameter of `shape`."""
        return times(scales.initial, jax.random.normal(key, shape, dtype))

    def filled(self, value: float, shape: tuple[int, ...], scales: Scales, dtype: Any) -> Float[Array, "..."]:
        """The initial value of a parameter that starts the same everywhere."""
        return times(scales.initial, jax.numpy.full(shape, value, dtype))

    def _of_weight(self, weight: Weight) -> tuple[Scalar, int, Exponents]:
        if self._wide(weight.source):
            wide = self._wide(weight.target)
            return weight.std, weight.fan_in, self.exponents.hidden if wide else self.exponents.output
        fixed = weight.std / math.sqrt(weight.fan_in)
        return (fixed, weight.fan_out, self.exponents.input) if self._wide(weight.target) else (fixed, 1, _FIXED)

    def _wide(self, end: End) -> bool:
        if self.exponents.follows_fan_in:
            return False  # so that a scale is `std / sqrt(fan_in)` in one way of rounding
        return {"input": self.wide_input, "output": self.wide_output, "inside": True}[end]


_FIXED = Exponents(0.0, 0.0, 0.0)


def times(scale: Scalar, values: Float[Array, "..."]) -> Float[Array, "..."]:
    """`scale * values`, without a product by one."""
    return values if isinstance(scale, float) and scale == 1 else scale * values


def _shrunk(value: Any, size: int, exponent: float) -> Any:
    """`value size^-exponent`."""
    if exponent == 0:
        return value
    return value / math.sqrt(size) if exponent == 0.5 else value * float(size) ** -exponent
