"""The difference of a network and a function, enclosed on boxes."""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.intervals import (
    Interval,
    enclose,
    enclose_derivatives,
    is_continuous,
    known,
    unbounded_where_undefined,
)
from nnlimits.approximation.intervals.arithmetic import add, mul, sub
from nnlimits.approximation.intervals.interval import up
from nnlimits.approximation.intervals.reductions import summed

_SMALLEST_BATCH = 16


class Bounds(NamedTuple):
    """Of the absolute difference on each of n boxes, the largest over outputs."""

    below: Float[np.ndarray, " n"]
    """At least this at the centre."""
    above: Float[np.ndarray, " n"]
    """At most this on the whole box."""
    shares: Float[np.ndarray, "n d"]
    """How much each coordinate adds to the upper bound."""
    rounding: Float[np.ndarray, " n"]
    """How far apart rounding keeps the bounds at the centre."""


class Difference(abc.ABC):
    """Encloses the difference on boxes of equal numbers at a time, so that few programs are traced."""

    method: str
    """How, in words."""

    def bounds(self, lower: Float[np.ndarray, "n d"], upper: Float[np.ndarray, "n d"]) -> Bounds:
        """Proved bounds on each box."""
        n = len(lower)
        size = _SMALLEST_BATCH
        while size < n:
            size *= 4
        padded = [np.concatenate([ends, np.repeat(ends[-1:], size - n, axis=0)]) for ends in (lower, upper)]
        with unbounded_where_undefined():
            result = self._bounds(*padded)
        # what is no number bounds nothing
        safe = result._replace(
            above=np.where(np.isnan(result.above), np.inf, result.above), below=np.nan_to_num(result.below)
        )
        return Bounds(*(each[:n] for each in safe))

    @abc.abstractmethod
    def _bounds(self, lower: np.ndarray, upper: np.ndarray) -> Bounds: ...


class Whole(Difference):
    """Of two functions of JAX: the difference as one function, by its values and its derivatives."""

    def __init__(self, difference: Callable[[Any], Any], dimension: int) -> None:
        self._difference = difference
        self._continuous = is_continuous(difference, dimension)
        form = "the mean value form" if self._continuous else "natural enclosures, as there may be jumps"
        if self._continuous and not _has_derivatives(difference, dimension):
            self._continuous, form = False, "natural enclosures, as derivatives have none"
        self.method = f"f and network by interval arithmetic; {form}"

    def _bounds(self, lower: np.ndarray, upper: np.ndarray) -> Bounds:
        centre = _centre(lower, upper)
        middle = enclose(self._difference, centre, centre)
        below, rounding = middle.mignitude.max(axis=1), middle.width.max(axis=1)
        radius = _radius(lower, upper, centre)
        if not self._continuous:
            natural = enclose(self._difference, lower, upper)
            return Bounds(below, natural.magnitude.max(axis=1), radius, rounding)
        natural, jacobian = enclose_derivatives(self._difference, lower, upper)
        # each coordinate's deviation is any number between plus and minus its radius
        shares, spread = _spread(jacobian, radius)
        centred = add(None, middle, Interval(-spread, spread))
        above = np.minimum(natural.magnitude, centred.magnitude).max(axis=1)
        return Bounds(below, above, shares.max(axis=1), rounding)


class Lipschitz(Difference):
    """Of a function that is known by its values and a Lipschitz constant, and a network."""

    method = "f by its Lipschitz constant and its values as computed, the network by interval arithmetic"

    def __init__(
        self, function: Callable[[Any], Any], lipschitz: float, network: Callable[[Any], Any], dimension: int
    ) -> None:
        self._function, self._lipschitz, self._network = function, lipschitz, network
        self._continuous = is_continuous(network, dimension)

    def _bounds(self, lower: np.ndarray, upper: np.ndarray) -> Bounds:
        centre = _centre(lower, upper)
        values = known(self._function(centre))
        middle = sub(None, enclose(self._network, centre, centre), values)
        radius = _radius(lower, upper, centre)
        distance = up(np.sqrt(summed(known(radius**2), radius.shape[1], lambda v: v.sum(1)).upper * (1 + 1e-15)))
        change = up(self._lipschitz * distance)[:, None]
        if self._continuous:
            natural, jacobian = enclose_derivatives(self._network, lower, upper)
            shares, spread = _spread(jacobian, radius)
            centred = add(None, middle, Interval(-spread, spread))
        else:
            natural = enclose(self._network, lower, upper)
            shares, centred = np.zeros((*natural.lower.shape, radius.shape[1])), None
        apart = sub(None, natural, values)
        above = apart.magnitude if centred is None else np.minimum(apart.magnitude, centred.magnitude)
        total = up(above + change).max(axis=1)
        own = self._lipschitz * radius**2 / np.maximum(distance, np.finfo(np.float64).tiny)[:, None]
        below, rounding = middle.mignitude.max(axis=1), middle.width.max(axis=1)
        return Bounds(below, total, shares.max(axis=1) + own, rounding)


def difference(approximation: Approximation) -> Difference:
    """The difference of an approximation, by interval arithmetic for f if it is a function of JAX that this bounds, else by its
    constant.

    **Raises:** `ValueError` if it is neither; `NotImplementedError` for a network with a primitive without a rule.
    """
    target, dimension = approximation.target, approximation.target.domain.dimension
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), approximation.params)

    def network(x: Any) -> Any:
        return approximation.network.apply(params, x)

    def apart(x: Any) -> Any:
        outputs = network(x)
        return outputs - jnp.reshape(target.function(x), outputs.shape)

    enclose(network, target.domain.centre[None], target.domain.centre[None])
    try:
        found = Whole(apart, dimension)
        bounds = found.bounds(np.asarray(target.domain.lower)[None], np.asarray(target.domain.upper)[None])
        if target.lipschitz is None or np.isfinite(bounds.above).all():
            return found
    except (TypeError, NotImplementedError, ValueError, ArithmeticError) as error:
        if target.lipschitz is None:
            raise ValueError(
                f"nothing is known of f between points: {error}. Write f with jax.numpy, or claim a Lipschitz constant"
            ) from error
    return Lipschitz(target, target.lipschitz, network, dimension)


def _has_derivatives(function: Callable[[Any], Any], dimension: int) -> bool:
    """Whether all operations of the derivatives have rules, unlike those of a sort."""
    origin = np.zeros((1, dimension))
    try:
        with unbounded_where_undefined():
            enclose_derivatives(function, origin, origin + 1)
    except NotImplementedError:
        return False
    return True


def _centre(lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    return np.clip(lower + (upper - lower) / 2, lower, upper)


def _radius(lower: np.ndarray, upper: np.ndarray, centre: np.ndarray) -> np.ndarray:
    return up(np.maximum(upper - centre, centre - lower))


def _spread(jacobian: Interval, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much each coordinate can change each output, and all of them together."""
    shares = mul(None, known(jacobian.magnitude), known(radius[:, None, :])).upper
    return shares, summed(known(shares), shares.shape[-1], lambda values: values.sum(-1)).upper
