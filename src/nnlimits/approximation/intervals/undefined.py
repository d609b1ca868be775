"""What happens where a function may not be defined: an error, or, of a search that goes on to smaller boxes, no bound."""

import contextlib
import contextvars
from collections.abc import Iterator

_UNBOUNDED = contextvars.ContextVar("unbounded", default=False)


@contextlib.contextmanager
def unbounded_where_undefined() -> Iterator[None]:
    """Inside, what may not be defined on a box is enclosed by all numbers instead of refused."""
    token = _UNBOUNDED.set(True)
    try:
        yield
    finally:
        _UNBOUNDED.reset(token)


def refuse(error: Exception) -> None:
    """Raise `error`, unless within `unbounded_where_undefined`."""
    if not _UNBOUNDED.get():
        raise error
