"""Proved bounds of the higher derivatives of a function of JAX, by interval arithmetic."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nnlimits.approximation.domain import Box, as_box
from nnlimits.approximation.intervals import enclose, is_continuous, plain, unbounded_where_undefined
from nnlimits.nn.fields import as_integer

_BATCH = 64
_GAP = 0.05
"""Bounds that exceed a derivative that is attained by no more than this share are close enough."""


def derivative_bounds(
    f: Callable[[Any], Any], domain: Any, order: int, *, budget: int = 4096
) -> Float[np.ndarray, " d"]:
    """For each axis, a bound of `|d^n f / dx_i^n|` on a box that is proved.

    The derivatives, by nested forward differentiation, are enclosed on boxes, and those with the largest bounds halved, until the
    bound exceeds a derivative that is attained by less than 5 percent, or the budget is spent. f and its derivatives up to order
    n - 1 must be continuous as programs; then, at kinks of the last, the enclosure holds both sides.

    **Arguments:** `f`, of JAX, from points (n, d) to values (n,) or (n, outputs); `domain`, as for `Target`; `order`, n, at least
    1; `budget`, how many boxes may be looked at for each axis.

    **Returns:** the bounds, to be given to `yarotsky` as `derivative_bound`.

    **Raises:** `ValueError` for an f or a derivative of order below n that may jump, or one of order n without bound; `TypeError`
    for what is no function of JAX; `NotImplementedError` for a primitive without a rule for intervals.
    """
    box, order = as_box(domain), as_integer("order", 1, order)
    return np.array([_bound(f, box, order, axis, as_integer("budget", 1, budget)) for axis in range(box.dimension)])


def derivative(f: Callable[[Any], Any], axis: int, order: int) -> Callable[[Any], Any]:
    """The function `d^n f / dx_i^n` of points (n, d), by the derivatives of the operations of f alone."""
    if order == 0:
        return plain(f)
    before = derivative(f, axis, order - 1)

    def differentiated(x: Any) -> Any:
        return jax.jvp(before, (x,), (jnp.broadcast_to(jnp.eye(x.shape[1], dtype=x.dtype)[axis], x.shape),))[1]

    return differentiated


def _bound(f: Callable[[Any], Any], box: Box, order: int, axis: int, budget: int) -> float:
    # of a step all derivatives are continuous as programs, but not the step itself
    for lower in range(order):
        if not is_continuous(derivative(f, axis, lower), box.dimension):
            what = f"the derivative of order {lower} along axis {axis}" if lower else "f"
            raise ValueError(
                f"{what} may jump, so that a derivative of order {order} proves nothing; give a lower order, or claim a "
                "derivative_bound"
            )
    function = derivative(f, axis, order)
    low, high = np.asarray(box.lower)[None], np.asarray(box.upper)[None]
    above, attained = _magnitudes(function, low, high)
    looked = 1
    while above.max() > attained * (1 + _GAP) and looked < budget:
        chosen = np.argsort(-above)[: _BATCH // 2]
        rest = np.setdiff1d(np.arange(len(above)), chosen)
        longest = np.argmax((high - low)[chosen] / box.sides, axis=1)
        left, right = high[chosen].copy(), low[chosen].copy()
        rows = np.arange(len(chosen))
        left[rows, longest] = right[rows, longest] = (low + high)[chosen][rows, longest] / 2
        halves = np.concatenate([low[chosen], right]), np.concatenate([left, high[chosen]])
        bounds, found = _magnitudes(function, *halves)
        attained, looked = max(attained, found), looked + len(bounds)
        low, high = np.concatenate([low[rest], halves[0]]), np.concatenate([high[rest], halves[1]])
        above = np.concatenate([above[rest], bounds])
    if not np.isfinite(above).all():
        place = int(np.argmax(above))
        raise ValueError(
            f"no bound of the derivative of order {order} along axis {axis} was found between {low[place].tolist()} and "
            f"{high[place].tolist()}; give a lower order, a smaller domain, or claim a derivative_bound"
        )
    return float(above.max())


def _magnitudes(
    function: Callable[[Any], Any], low: Float[np.ndarray, "n d"], high: Float[np.ndarray, "n d"]
) -> tuple[Float[np.ndarray, " n"], float]:
    """Upper bounds of the absolute value on each box, and a value that is attained; always of as many boxes, to trace once."""
    padded = [np.concatenate([ends, np.repeat(ends[-1:], _BATCH - len(ends), axis=0)]) for ends in (low, high)]
    centre = padded[0] + (padded[1] - padded[0]) / 2
    with unbounded_where_undefined():
        above = enclose(function, *padded).magnitude
        below = enclose(function, centre, centre).mignitude
    return above.reshape(_BATCH, -1).max(axis=1)[: len(low)], float(below.max())
