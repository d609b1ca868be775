"""Interval arithmetic over jaxprs: rigorous enclosures of functions of JAX on boxes."""

from nnlimits.approximation.intervals.enclose import Derivatives, enclose, enclose_derivatives
from nnlimits.approximation.intervals.interval import Interval, known
from nnlimits.approximation.intervals.registry import register

__all__ = ["Derivatives", "Interval", "enclose", "enclose_derivatives", "known", "register"]
