"""What layers over positions do to the second moments of units, a unit being one channel at one input and one position.

Units are counted input by input, `unit = input * positions + position`. A filter has weights of its own for each offset, so
that only products of two units at the same offset have a mean; a pool adds up its positions, and all products count.
"""

import abc
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.nn.window import Windows

Reads = tuple[tuple[int, ...], ...]
"""For each output position the input positions under its window, in the order of the offsets; -1 beyond the border."""


class PositionMap(eqx.Module):
    """A linear map of the second moments of all units, over positions alone."""

    reads: Reads = eqx.field(static=True)
    positions: int = eqx.field(static=True)
    """How many positions its inputs have."""

    @property
    def outputs(self) -> int:
        """How many positions its outputs have."""
        return len(self.reads)

    def __call__(self, moments: Float[Array, "units units *rest"]) -> Float[Array, "outputs outputs *rest"]:
        """The moments of the outputs, from those of the inputs along the first two axes."""
        inputs, rest = moments.shape[0] // self.positions, moments.shape[2:]
        apart = moments.reshape(inputs, self.positions, inputs, self.positions, *rest)
        return self._of(apart).reshape(inputs * self.outputs, inputs * self.outputs, *rest)

    @abc.abstractmethod
    def _of(self, moments: Float[Array, "n p n p *rest"]) -> Float[Array, "n o n o *rest"]:
        """The same with inputs and positions on axes of their own."""


class Filter(PositionMap):
    """The average over a window at both positions together: `sum_o M[s + o, t + o] / window`.

    That of a convolution; with one window over all positions, that of a Dense layer after Flatten.
    """

    def _of(self, moments: Float[Array, "n p n p *rest"]) -> Float[Array, "n o n o *rest"]:
        offsets = np.array(self.reads, np.int32).T
        offsets = np.where(offsets < 0, self.positions, offsets)  # beyond the end, which is read as zero

        def at(offset: Array | np.ndarray) -> Array:
            first = jnp.take(moments, offset, axis=1, mode="fill", fill_value=0)
            return jnp.take(first, offset, axis=3, mode="fill", fill_value=0)

        total = at(offsets[0])
        if len(offsets) > 1:
            total = jax.lax.scan(lambda before, offset: (before + at(offset), None), total, offsets[1:])[0]
        return total / len(offsets)


class Pool(PositionMap):
    """`factor` times the sum over a window, at each of both positions."""

    factor: float = eqx.field(static=True)

    def _of(self, moments: Float[Array, "n p n p *rest"]) -> Float[Array, "n o n o *rest"]:
        weights = np.zeros((self.outputs, self.positions + 1))
        for output, window in enumerate(self.reads):
            np.add.at(weights[output], list(window), self.factor)  # -1 is the last column, which is dropped
        matrix = jnp.asarray(weights[:, :-1], moments.dtype)
        once = jnp.moveaxis(jnp.tensordot(matrix, moments, (1, 1)), 0, 1)
        return jnp.moveaxis(jnp.tensordot(matrix, once, (1, 3)), 0, 3)


def reads_of(window: Windows, positions: tuple[int, ...]) -> Reads:
    """What the windows of a layer read of an input with `positions`."""
    axes = []
    for axis, size in enumerate(positions):
        starts = window.stride[axis] * np.arange(window.outputs[axis]) - window.low[axis]
        places = starts[:, None] + window.dilation[axis] * np.arange(window.kernel[axis])
        inside = (places >= 0) & (places < size)
        axes.append(places % size if window.circular else np.where(inside, places, -1))
    reads = []
    for output in itertools.product(*(range(len(a)) for a in axes)):
        flat = []
        for place in itertools.product(*(a[o] for a, o in zip(axes, output, strict=True))):
            flat.append(-1 if min(place) < 0 else int(np.ravel_multi_index(place, positions)))
        reads.append(tuple(flat))
    return tuple(reads)


def everywhere(positions: int) -> Reads:
    """One window over all positions."""
    return (tuple(range(positions)),)
