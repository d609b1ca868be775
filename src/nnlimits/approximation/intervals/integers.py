"""Integers that depend on the point: they are computed as real numbers, and made whole again."""

from typing import Any

import numpy as np

from nnlimits.approximation.intervals.conversions import to_integers, to_reals
from nnlimits.approximation.intervals.interval import Interval
from nnlimits.approximation.intervals.registry import rule_of

_ARITHMETIC = frozenset(
    {"add", "sub", "mul", "neg", "abs", "sign", "div", "rem", "integer_pow", "square", "max", "min", "clamp"}
    | {"reduce_sum", "reduce_prod", "cumsum", "cumprod", "dot_general"}
)
"""Operations on numbers, in contrast to those that only move entries."""


def is_integer_arithmetic(equation: Any) -> bool:
    """Whether an equation computes integers from integers."""
    return equation.primitive.name in _ARITHMETIC and equation.outvars[0].aval.dtype.kind in "iu"


def integer_arithmetic(equation: Any, *operands: Interval) -> Interval:
    """By the rule for real numbers. A quotient loses what follows the point; what is too large for the type may be anything."""
    reals = {id(operand): to_reals(operand) for operand in operands}
    found = rule_of(equation.primitive.name)(equation, *(reals[id(operand)] for operand in operands))
    quotient = equation.primitive.name == "div"
    whole = found.moved(np.trunc) if quotient else Interval(np.ceil(found.lower), np.floor(found.upper))
    return to_integers(whole, equation.outvars[0].aval.dtype)
