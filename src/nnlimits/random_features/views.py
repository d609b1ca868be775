"""What weights see of the features before: themselves, those of several positions side by side, or patches.

A view is a linear map to more features, of which a sketch leaves few without laying them all out.
"""

import abc
import dataclasses
import itertools
import math

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from nnlimits.nn.window import Windows
from nnlimits.random_features.draws import Draw, Draws
from nnlimits.random_features.srht import drawn_rows, random_signs, signed_transforms, srht

Values = Float[Array, "n *positions width"]


class View(abc.ABC):
    """What is seen of features."""

    @abc.abstractmethod
    def columns(self, values: Values) -> int:
        """How many features are seen."""

    @abc.abstractmethod
    def whole(self, values: Values) -> Float[Array, "n *outputs columns"]:
        """All of them."""

    @abc.abstractmethod
    def sketched(self, values: Values, width: int, draws: Draws) -> Float[Array, "n *outputs {width}"]:
        """`width` features with the inner products of all of them, on average."""


@dataclasses.dataclass(frozen=True)
class Themselves(View):
    """The features as they are."""

    def columns(self, values: Values) -> int:
        """As many as there are."""
        return values.shape[-1]

    def whole(self, values: Values) -> Array:
        """The features."""
        return values

    def sketched(self, values: Values, width: int, draws: Draws) -> Array:
        """By `srht`."""
        return srht(values, width, draws)


@dataclasses.dataclass(frozen=True)
class SideBySide(View):
    """The features of all positions along some axes, which go."""

    axes: tuple[int, ...]

    def columns(self, values: Values) -> int:
        """Those of one position, times the number of positions."""
        return values.shape[-1] * math.prod(values.shape[axis + 1] for axis in self.axes)

    def whole(self, values: Values) -> Array:
        """The last axes become one."""
        count = len(self.axes)
        ends = [values.ndim - 1 - count + i for i in range(count)]
        moved = jnp.moveaxis(values, [axis + 1 for axis in self.axes], ends)
        return moved.reshape(*moved.shape[: -1 - count], -1)

    def sketched(self, values: Values, width: int, draws: Draws) -> Array:
        """By `srht`."""
        return srht(self.whole(values), width, draws)


@dataclasses.dataclass(frozen=True)
class Patches(View):
    """What windows see."""

    windows: Windows

    def columns(self, values: Values) -> int:
        """Those of one position, times the number of taps."""
        return values.shape[-1] * math.prod(self.windows.kernel)

    def whole(self, values: Values) -> Array:
        """The features of all taps side by side."""
        seen = self.windows.patches(values)
        return seen.reshape(*seen.shape[: 1 + len(self.windows.kernel)], -1)

    def sketched(self, values: Values, width: int, draws: Draws) -> Array:
        """Every tap's sketch with random signs, added up: cross terms of different taps vanish on average.

        All taps take their rows, each its own, from one transform of the features at a position.
        """
        mixed = signed_transforms(values, width, draws)
        total = None
        for tap in itertools.product(*map(range, self.windows.kernel)):
            rows = drawn_rows(mixed, width, draws)
            signs = draws.take(Draw(random_signs, (width,)))
            term = self._through(tap, jnp.take(mixed, rows, axis=-1) * signs)
            total = term if total is None else total + term
        assert total is not None
        return total / math.sqrt(width)

    def _through(self, tap: tuple[int, ...], values: Array) -> Array:
        """What every output sees through one tap."""
        window = self.windows
        padded = jnp.pad(window.wrap(values), [(0, 0), *window.margins, (0, 0)])
        starts = [k * step for k, step in zip(tap, window.dilation, strict=True)]
        steps = zip(starts, window.stride, window.outputs, strict=True)
        stops = [start + stride * (count - 1) + 1 for start, stride, count in steps]
        return lax.slice(padded, (0, *starts, 0), (len(padded), *stops, padded.shape[-1]), (1, *window.stride, 1))
