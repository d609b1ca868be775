"""Between which slopes the secants of a nonlinearity lie: its Lipschitz constant, and whether it is a proximal operator."""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nnlimits.nn.elu import Elu, Selu
from nnlimits.nn.erf import Erf
from nnlimits.nn.fields import Scalar
from nnlimits.nn.gelu import Gelu
from nnlimits.nn.identity import Identity
from nnlimits.nn.relu import ABRelu, Abs, LeakyRelu, Relu
from nnlimits.nn.sigmoid import Mish, Sigmoid, Silu, Softplus
from nnlimits.nn.sin import Cos, Rbf, Sin
from nnlimits.nn.tanh import HardTanh, Tanh


class Slopes(NamedTuple):
    """The infimum and the supremum of `(phi(u) - phi(v)) / (u - v)`."""

    lowest: Scalar
    highest: Scalar

    @property
    def lipschitz(self) -> Any:
        """The Lipschitz constant."""
        if isinstance(self.lowest, float) and isinstance(self.highest, float):
            return max(abs(self.lowest), abs(self.highest))
        return jnp.maximum(jnp.abs(self.lowest), jnp.abs(self.highest))


@functools.singledispatch
def slopes(activation: Any) -> Slopes | None:
    """The slopes of an activation; `None` if they are not known, or not bounded. Rules are registered by type."""
    del activation
    return None


def _between(lowest: float, highest: float, *activations: type) -> None:
    for activation in activations:
        slopes.register(activation, lambda _: Slopes(lowest, highest))


_between(0.0, 1.0, Relu, Tanh, HardTanh, Softplus)
_between(1.0, 1.0, Identity)
_between(-1.0, 1.0, Abs)
_between(0.0, 0.25, Sigmoid)
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
_between(0.0, _SELU_SCALE * _SELU_ALPHA, Selu)
# The extremes of smooth functions with a dip, to the next digit outwards
_between(-0.0998394, 1.0998394, Silu)
_between(-0.1128, 1.0894, Mish)
_between(-0.1299, 1.1299, Gelu)


@slopes.register
def _(activation: LeakyRelu) -> Slopes:
    return _ordered(activation.negative_slope, 1.0)


@slopes.register
def _(activation: ABRelu) -> Slopes:
    return _ordered(activation.a, activation.b)


@slopes.register
def _(activation: Elu) -> Slopes:
    return _ordered(*_ordered(0.0, activation.alpha), 1.0)


@slopes.register
def _(activation: Erf) -> Slopes:
    return _ordered(0.0, activation.a * activation.b * (2 / math.sqrt(math.pi)))


@slopes.register(Sin)
@slopes.register(Cos)
def _(activation: Sin | Cos) -> Slopes:
    highest = abs(activation.a * activation.b)
    return Slopes(-highest, highest)


@slopes.register
def _(activation: Rbf) -> Slopes:
    highest = 2 * activation.gamma**0.5
    return Slopes(-highest, highest)


def _ordered(*values: Scalar) -> Slopes:
    """From the least to the greatest of `values`."""
    if any(isinstance(value, jax.Array) for value in values):
        stacked = jnp.stack([jnp.asarray(value) for value in values])
        return Slopes(jnp.min(stacked), jnp.max(stacked))
    return Slopes(min(values), max(values))
