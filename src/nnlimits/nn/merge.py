"""How the outputs of parallel branches become one."""

import abc
import functools
import operator
from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.nn.errors import ShapeError
from nnlimits.nn.word import Word


class Merge(Word):
    """A rule that makes one array of features from several."""

    @abc.abstractmethod
    def output_shape(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """The merged shape of outputs of these shapes (no batch axis).

        **Raises:** `ShapeError` (a `ValueError`) if they do not fit together.
        """

    @abc.abstractmethod
    def __call__(self, outputs: Sequence[Float[Array, "n ..."]]) -> Float[Array, "n ..."]:
        """Merge the outputs of the branches."""

    def _common(self, shapes: Sequence[tuple[int, ...]], parts: Sequence[tuple[int, ...]], what: str) -> None:
        if len(set(parts)) > 1:
            raise ShapeError(type(self).__name__, f"expects branches that agree in {what}; they give {list(shapes)}.")


class Sum(Merge):
    """The sum of the branches, which must have one shape."""

    def output_shape(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        self._common(shapes, shapes, "shape")
        return shapes[0]

    def __call__(self, outputs: Sequence[Float[Array, "n ..."]]) -> Float[Array, "n ..."]:
        return functools.reduce(operator.add, outputs)


class Product(Merge):
    """The product, feature by feature, of the branches, which must have one shape."""

    def output_shape(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        self._common(shapes, shapes, "shape")
        return shapes[0]

    def __call__(self, outputs: Sequence[Float[Array, "n ..."]]) -> Float[Array, "n ..."]:
        return functools.reduce(operator.mul, outputs)


class Concatenate(Merge):
    """The branches laid side by side along the features, the last axis; other axes must agree."""

    def output_shape(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        if not all(shapes):
            raise ShapeError(type(self).__name__, f"expects an axis of features; the branches give {list(shapes)}.")
        self._common(shapes, [shape[:-1] for shape in shapes], "all axes but the last")
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))

    def __call__(self, outputs: Sequence[Float[Array, "n ..."]]) -> Float[Array, "n ..."]:
        return jnp.concatenate(outputs, axis=-1)
