"""What a rule of conversion is given: the place of the module in its model, and how scales are read from weights."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlimits import nn

SCALES = ("weights", "initializer")


ATTENTION = (
    "divides its logits by the root of the keys' width, so that they stay random at infinite width, and the mean over their "
    "softmax is not known. Write a module of your own that divides by the width itself, its queries and keys starting equal, "
    "and register a rule for it that returns nn.SelfAttention"
)
"""Why the attention of all three libraries has no counterpart."""


USED_TWICE = "is used twice, with the same weights; layers of the language have weights of their own"


class Unsupported(NotImplementedError):
    """A module that cannot be converted."""


class NeedsTracing(Unsupported):
    """A module that can only be converted by tracing its code."""


@dataclasses.dataclass(frozen=True)
class Conversion:
    """One module on its way into the language.

    A rule receives the module and its `Conversion`, and returns a layer of `nnlimits.nn`.
    """

    path: str
    """Where the module is in the model, as in `model.blocks.2.attention`."""
    scales: str
    """`"weights"` or `"initializer"`."""
    rule: Callable[[Any, "Conversion"], nn.Layer]
    """From a module and its `Conversion` to its layer."""
    positions: int | None = None
    """How many axes of positions the input of the module has; `None` where that is not known."""

    def child(self, name: Any, module: Any) -> nn.Layer:
        """A module inside this one, converted."""
        return self.rule(module, dataclasses.replace(self, path=f"{self.path}.{name}"))

    def refuse(self, module: Any, problem: str) -> Unsupported:
        """The error of a module that has no counterpart; `problem` says why, and what would work."""
        return Unsupported(f"{self.path}: {type(module).__name__} {problem}")

    def w_std(self, weight: Any, fan_in: int, fan_out: int, default: float) -> float:
        """The scale of a weight: `sqrt(fan_in mean(W^2))`, or that of the initializer that it was drawn by.

        **Arguments:** `weight`, an array; `fan_in`, how many products one output sums; `fan_out`, how many outputs one input
        reaches; `default`, the scale that the library's own initializer gives.
        """
        squares = _as_numbers(weight) ** 2
        found = math.sqrt(fan_in * squares.mean())
        if self.scales == "weights":
            return found
        glorot = math.sqrt(2 * fan_in / (fan_in + fan_out))
        error = 4 * math.sqrt(
            2 / squares.size
        )  # four standard errors of the mean square of normal numbers, or less of others
        for known in (default, 1.0, math.sqrt(2), glorot, math.sqrt(1 / 3)):
            if abs(known**2 - found**2) <= error * known**2:
                return known
        raise ValueError(
            f"{self.path}: its weights have the scale {found:.4g}, which is none of the known initializers' (LeCun, He, Glorot, "
            "or the library's default), or no longer is after training; use scales='weights'"
        )

    def b_std(self, bias: Any, default: float) -> float | None:
        """The scale of a bias: `sqrt(mean(b^2))`, or that of the library's initializer; `None` where there is no bias."""
        if bias is None:
            return None
        numbers = _as_numbers(bias)
        found = math.sqrt((numbers**2).mean())
        if self.scales == "weights" or (default and found == 0.0):
            return found
        spread = math.sqrt(4 / 5 / numbers.size)  # of the mean square of uniform numbers, in units of itself
        if abs(found**2 - default**2) <= 4 * spread * default**2:
            return default
        raise ValueError(
            f"{self.path}: its biases have the scale {found:.4g}, where the library's initializer gives {default:.4g}; use "
            "scales='weights'"
        )

    def normalization(self, module: Any, epsilon: float, axes: tuple[int, ...], gain: Any, offset: Any) -> nn.Layer:
        """A layer normalization, with its trainable gain and offset where it has them."""
        return self.sequence([nn.LayerNorm(epsilon, axes), *self.channel_affine(module, gain, offset)])

    def by_statistics(self, module: Any, mean: Any, variance: Any, epsilon: float, gain: Any, offset: Any) -> nn.Layer:
        """A batch normalization by known statistics: a constant factor, with its trainable gain and offset."""
        mean, variance = _as_numbers(mean), _as_numbers(variance)
        if mean.any() or (variance != variance[0]).any():
            raise self.refuse(
                module,
                "has statistics of its own for each channel, as after training; the limit starts from initial values (mean 0 and "
                "one variance)",
            )
        factor = nn.Scale(float(1 / np.sqrt(variance[0] + epsilon)))
        return self.sequence([factor, *self.channel_affine(module, gain, offset)])

    def channel_affine(self, module: Any, gain: Any, offset: Any) -> list[nn.Layer]:
        """The trainable gain and offset of a normalization, `None` where it has none."""
        for name, values, start in (("gain", gain, 1.0), ("offset", offset, 0.0)):
            if values is None:
                continue
            numbers = _as_numbers(values)
            if numbers.ndim != 1:
                raise self.refuse(
                    module,
                    f"has a {name} for each position, of shape {numbers.shape}; the language has one for each channel",
                )
            if (numbers != start).any():
                raise self.refuse(
                    module,
                    f"has a {name} that is not {start:g} everywhere, as after training; the limit starts from initial values",
                )
        if gain is None and offset is None:
            return []
        return [nn.ChannelAffine(gain=gain is not None, offset=offset is not None)]

    @staticmethod
    def sequence(layers: list[nn.Layer]) -> nn.Layer:
        """Several layers as one."""
        return layers[0] if len(layers) == 1 else nn.Sequential(*layers)


def _as_numbers(values: Any) -> np.ndarray:
    if hasattr(values, "detach"):
        values = values.detach().cpu().double()
    return np.asarray(values, np.float64)
