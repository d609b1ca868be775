"""Interval arithmetic over jaxprs: rigorous enclosures of functions of JAX on boxes."""

from nnlimits.approximation.intervals.continuity import is_continuous
from nnlimits.approximation.intervals.enclose import Derivatives, enclose, enclose_derivatives
from nnlimits.approximation.intervals.interval import Interval, known
from nnlimits.approximation.intervals.program import plain
from nnlimits.approximation.intervals.registry import register
from nnlimits.approximation.intervals.undefined import unbounded_where_undefined

__all__ = [
    "Derivatives",
    "Interval",
    "enclose",
    "enclose_derivatives",
    "is_continuous",
    "known",
    "plain",
    "register",
    "unbounded_where_undefined",
]
