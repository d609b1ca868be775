"""Long runs as compiled pieces of several records, between which progress is shown."""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import PyTree

from nnlimits.compute.progress import Progress

_AT_ONCE = 20
"""Records between two looks at the clock."""


def in_pieces(
    title: str, advance: Callable[..., tuple[PyTree, PyTree]], state: PyTree, records: int, progress: bool | None
) -> tuple[PyTree, PyTree]:
    """The state after so many records, and the records along their first axis, in host memory.

    **Arguments:** `title`, of the bar; `advance(state, count=...)`, which makes `count` records and is compiled for each number;
    `progress` as of `track_sharpness`.
    """
    seen = []
    with Progress(title, records, progress) as bar:
        for count in _counts(records):
            state, found = advance(state, count=count)
            seen.append(found)
            bar.advance(count)
    return state, joined(seen)


def joined(parts: list[PyTree]) -> PyTree:
    """Records, along their first axis, in host memory."""
    return jax.tree.map(lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves]), *parts)


def alone(record: PyTree) -> PyTree:
    """One record with the axis of records before it."""
    return jax.tree.map(lambda leaf: leaf[None], record)


def check_records(steps: int, every: int) -> int:
    """How many records `steps` steps hold. **Raises:** `ValueError` unless `every` divides `steps`, both at least 1."""
    if not (isinstance(steps, int) and isinstance(every, int) and steps >= 1 and every >= 1 and steps % every == 0):
        raise ValueError(
            f"steps and every must be whole numbers from 1, and every a divisor of steps; received {steps!r} and {every!r}"
        )
    return steps // every


def nothing(params: PyTree) -> PyTree:
    """Observe nothing."""
    del params
    return ()


def _counts(records: int) -> list[int]:
    """Numbers of records to compute in one call: few different ones, as each is compiled for itself."""
    whole, rest = divmod(records, _AT_ONCE)
    return [_AT_ONCE] * whole + [1] * rest if rest < 4 else [_AT_ONCE] * whole + [rest]
