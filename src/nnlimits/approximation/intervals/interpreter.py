"""A jaxpr evaluated on intervals, equation by equation."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlimits.approximation.intervals.concrete import evaluated
from nnlimits.approximation.intervals.integers import integer_arithmetic, is_integer_arithmetic
from nnlimits.approximation.intervals.interval import Interval, known
from nnlimits.approximation.intervals.registry import has_rule, rule_of


def interpret(jaxpr: Any, constants: Sequence[Any], operands: Sequence[Interval]) -> list[Interval]:
    """The intervals of the results, given those of the arguments.

    **Raises:** `NotImplementedError` for a primitive without a rule; what rules raise.
    """
    values: dict[Any, Interval] = dict(zip(jaxpr.invars, operands, strict=True))
    values |= {variable: known(wide(value)) for variable, value in zip(jaxpr.constvars, constants, strict=True)}
    last = _last_uses(jaxpr)
    for number, equation in enumerate(jaxpr.eqns):
        arguments = [known(wide(atom.val)) if hasattr(atom, "val") else values[atom] for atom in equation.invars]
        for variable, result in zip(equation.outvars, applied(equation, arguments), strict=True):
            values[variable] = result
        for atom in last.get(number, ()):
            del values[atom]
    return [known(wide(atom.val)) if hasattr(atom, "val") else values[atom] for atom in jaxpr.outvars]


def applied(equation: Any, arguments: list[Interval]) -> Sequence[Interval]:
    """The intervals of the results of one equation.

    **Raises:** as `interpret`.
    """
    name = equation.primitive.name
    if _is_discrete(equation) and all(argument.exact for argument in arguments) and not _holds_calls(equation):
        return [known(value) for value in evaluated(equation, *(argument.lower for argument in arguments))]
    if is_integer_arithmetic(equation):
        return [integer_arithmetic(equation, *arguments)]
    result = rule_of(name)(equation, *arguments)
    return [result] if isinstance(result, Interval) else list(result)


def _is_discrete(equation: Any) -> bool:
    """Whether only integers and truth values take part: such an operation on known values has no rounding.

    **Raises:** `NotImplementedError` for what is neither these nor real, such as the keys of random numbers.
    """
    types = [atom.aval.dtype for atom in [*equation.invars, *equation.outvars]]
    strange = [dtype for dtype in types if not isinstance(dtype, np.dtype)]
    if strange:
        raise NotImplementedError(
            f"the primitive {equation.primitive.name} of {strange[0]}: numbers drawn at random have no enclosure; draw them "
            "outside of the function"
        )
    return {dtype.kind for dtype in types} <= set("biu")


def _holds_calls(equation: Any) -> bool:
    return has_rule(equation.primitive.name) and any(
        hasattr(value, "eqns") or hasattr(value, "jaxpr") for value in equation.params.values()
    )


def _last_uses(jaxpr: Any) -> dict[int, list[Any]]:
    """Of each equation the variables that nothing after it reads, so that they need not be kept."""
    last: dict[Any, int] = {}
    for number, equation in enumerate(jaxpr.eqns):
        last |= {atom: number for atom in [*equation.invars, *equation.outvars] if not hasattr(atom, "val")}
    kept = {atom for atom in jaxpr.outvars if not hasattr(atom, "val")}
    uses: dict[int, list[Any]] = {}
    for atom, number in last.items():
        if atom not in kept:
            uses.setdefault(number, []).append(atom)
    return uses


def wide(value: Any) -> np.ndarray:
    """A constant in double precision if it is a real number; the conversion is exact."""
    value = np.asarray(value)
    if value.dtype.kind in "biu":
        return value
    if value.dtype.kind == "c":
        raise NotImplementedError("complex numbers have no order, and so no intervals here")
    return value.astype(np.float64)
