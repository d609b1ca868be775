"""A function of points evaluated on boxes."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nnlimits.approximation.intervals import (  # noqa: F401
    arithmetic,
    comparisons,
    control,
    conversions,
    monotone,
    periodic,
    products,
    reductions,
    structure,
)
from nnlimits.approximation.intervals.interpreter import interpret
from nnlimits.approximation.intervals.interval import Interval, known
from nnlimits.approximation.intervals.program import plain
from nnlimits.approximation.intervals.tracing import hashable, read, traced


class Derivatives(NamedTuple):
    """Enclosures of a function and of its partial derivatives on boxes."""

    value: Interval
    """(n, outputs)."""
    jacobian: Interval
    """(n, outputs, d): the derivatives of the function's program, at kinks those of either side."""


def enclose(
    function: Callable[[Any], Any], lower: Float[np.ndarray, "n d"], upper: Float[np.ndarray, "n d"]
) -> Interval:
    """Intervals that contain all values of a function of real numbers on each of n boxes.

    The function is read as a jaxpr, whose primitives are evaluated on intervals with ends rounded outwards. Its constants are
    taken as they stand, and its operations as those of real numbers: what the interval contains is the function that the
    program means, without the rounding of running it (Moore, Kearfott & Cloud 2009, theorem 5.1).

    **Arguments:** `function`, of JAX, from points (n, d) to values (n,) or (n, outputs), each from its own point; `lower` and
    `upper`, the ends of the boxes.

    **Returns:** an `Interval` of arrays of the shape of the function's values.

    **Raises:** `NotImplementedError` for a primitive without a rule; `TypeError` for a function that is not one of JAX;
    `ZeroDivisionError` for a division by what may be zero; `ValueError` for boxes out of order, or outside of where
    the function is defined.
    """
    box = _boxes(lower, upper)
    closed = read(hashable(function), np.shape(box.lower))
    (value,) = interpret(closed.jaxpr, closed.consts, [box])
    return value


def enclose_derivatives(
    function: Callable[[Any], Any], lower: Float[np.ndarray, "n d"], upper: Float[np.ndarray, "n d"]
) -> Derivatives:
    """The same, with the partial derivatives by forward differentiation.

    Of a function that is Lipschitz and made of pieces, such as a network of rectifiers, the Jacobian contains those of all pieces
    that meet the box, so that the mean value theorem holds with it. Of one with jumps it does not see them.

    **Arguments:** and **Raises:** as `enclose`.
    """
    box = _boxes(lower, upper)
    closed = _read_derivatives(hashable(function), np.shape(box.lower))
    value, *columns = interpret(closed.jaxpr, closed.consts, [box])
    value, *columns = (_with_outputs(part) for part in (value, *columns))
    jacobian = Interval(np.stack([c.lower for c in columns], -1), np.stack([c.upper for c in columns], -1))
    return Derivatives(value, jacobian)


def _boxes(lower: Any, upper: Any) -> Interval:
    lower, upper = np.array(lower, np.float64), np.array(upper, np.float64)
    if lower.ndim != 2 or lower.shape != upper.shape:
        raise ValueError(f"lower and upper must both have shape (n, d); received {lower.shape} and {upper.shape}")
    if not (lower <= upper).all():
        place = tuple(int(i) for i in np.argwhere(~(lower <= upper))[0])
        raise ValueError(
            f"lower must not exceed upper; at index {place} the box goes from {lower[place]} to {upper[place]}"
        )
    return known(lower) if (lower == upper).all() else Interval(lower, upper)


def _with_outputs(part: Interval) -> Interval:
    return part.moved(lambda values: values[:, None] if np.ndim(values) == 1 else values)


@functools.lru_cache(maxsize=64)
def _read_derivatives(function: Callable[[Any], Any], shape: tuple[int, int]) -> Any:
    """The jaxpr of a function and its derivatives by each coordinate."""

    def derivatives(x: Any) -> list[Any]:
        value, derivative = jax.linearize(plain(function), x)
        return [value, *(derivative(jnp.broadcast_to(axis, x.shape)) for axis in jnp.eye(x.shape[1], dtype=x.dtype))]

    return traced(derivatives, function, shape)
