"""Looking at a solved equation from outside: at the Jacobian of a cell where its fixed point is, for one.

`examining(look)` makes every layer that solves an equation call `look` with what it solved, and add the arrays that it returns to
its report, so that they come out of `Repeat` and of JAX transformations in the same way.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple

from jaxtyping import Array, Float

from nnlimits.nn.reports import Report, Statistics, reporting


class Solved(NamedTuple):
    """The equation `state = function(state, args)` that was solved, with the examples along the first axis of the state."""

    function: Callable[[Array, Any], Array]
    args: Any
    state: Float[Array, "n ..."]


Look = Callable[[Solved], Statistics]

_LOOK: ContextVar[Look | None] = ContextVar("nnlimits.nn.examination", default=None)


@contextlib.contextmanager
def examining(look: Look) -> Iterator[list[Report]]:
    """Collect the reports of all layers that run within the block, with what `look` returns."""
    token = _LOOK.set(look)
    try:
        with reporting() as reports:
            yield reports
    finally:
        _LOOK.reset(token)


def examined(solved: Solved) -> Statistics:
    """What is seen of a solved equation; nothing outside an `examining` block."""
    look = _LOOK.get()
    return {} if look is None else look(solved)
