"""What layers that solve an equation for their output tell of the solution: evaluations, steps, residuals.

A layer's `forward` returns its output only. Whoever wants to know more runs the network in a `reporting()` block:

    with reporting() as reports:
        y = network.apply(params, x)
    reports[0].layer, reports[0].statistics["evaluations"]

Under a JAX transformation the statistics are tracers: open the block inside the transformed function and return them from it.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import NamedTuple

from jaxtyping import Array, Shaped

from nnlimits.nn.layer import Layer

Statistics = dict[str, Shaped[Array, "..."]]
"""Arrays by name, those of the layer's documentation."""


class Report(NamedTuple):
    """What one layer tells of one run; layers of `Repeat` have the blocks along a leading axis."""

    layer: Layer
    statistics: Statistics


_REPORTS: ContextVar[list[Report] | None] = ContextVar("nnlimits.nn.reports", default=None)


@contextlib.contextmanager
def reporting() -> Iterator[list[Report]]:
    """Collect the reports of all layers that run within the block, in the order in which they run."""
    reports: list[Report] = []
    token = _REPORTS.set(reports)
    try:
        yield reports
    finally:
        _REPORTS.reset(token)


def is_reporting() -> bool:
    """Whether anybody listens."""
    return _REPORTS.get() is not None


def report(layer: Layer, statistics: Statistics) -> None:
    """Tell of a solution; without effect outside a `reporting()` block."""
    reports = _REPORTS.get()
    if reports is not None:
        reports.append(Report(layer, statistics))
