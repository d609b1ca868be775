"""Whether a function is continuous, read from its jaxpr: the mean value theorem needs it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlimits.approximation.intervals.control import CALLS
from nnlimits.approximation.intervals.enclose import hashable, read
from nnlimits.approximation.intervals.interpreter import wide
from nnlimits.approximation.intervals.interval import Interval, known
from nnlimits.approximation.intervals.registry import has_rule, rule_of

_COMPARISONS = {"lt", "le", "gt", "ge", "eq", "ne"}
_LOGIC = {"and", "or", "not", "is_finite"}
_JUMPS = {"sign", "floor", "ceil", "round", "rem", "argmax", "argmin"}
_LOOPS = {"scan", "cond", "while"}
_MATCH = 1e-14
"""Relative size of a jump that is the rounding of constants."""


class _Value:
    """A value of the flattened program: a constant, or what depends on the point."""

    def __init__(self, constant: Any = None, equation: Any = None, operands: tuple["_Value", ...] = ()) -> None:
        self.constant, self.equation, self.operands = constant, equation, operands
        self.varies = constant is None and (equation is None or any(operand.varies for operand in operands))


def is_continuous(function: Callable[[Any], Any], dimension: int) -> bool:
    """Whether a function of JAX is certainly continuous, and so Lipschitz where its derivatives are bounded.

    Operations with jumps (`sign`, `floor`, truth values as numbers) make it False. A choice `where(u > c, a, b)` is continuous if
    `a` and `b` depend on the point through `u` alone and agree at `u = c`, which is computed. False may also mean that
    this is not known.

    **Arguments:** `function`, from points (n, d); `dimension`, d.

    **Raises:** `TypeError` for a function that is not one of JAX.
    """
    closed = read(hashable(function), (1, dimension))
    equations: list[_Value] = []
    _flatten(closed.jaxpr, closed.consts, [_Value()], equations)
    return all(_continuous(value) for value in equations if value.varies)


def _flatten(jaxpr: Any, constants: Any, arguments: list[_Value], equations: list[_Value]) -> list[_Value]:
    values = dict(zip(jaxpr.invars, arguments, strict=True))
    values |= {var: _Value(wide(value)) for var, value in zip(jaxpr.constvars, constants, strict=True)}

    def read_atom(atom: Any) -> _Value:
        return _Value(wide(atom.val)) if hasattr(atom, "val") else values[atom]

    for equation in jaxpr.eqns:
        operands = tuple(read_atom(atom) for atom in equation.invars)
        if equation.primitive.name in CALLS:
            body = next(equation.params[name] for name in ("jaxpr", "call_jaxpr") if name in equation.params)
            results = _flatten(getattr(body, "jaxpr", body), getattr(body, "consts", ()), list(operands), equations)
        else:
            value = _Value(equation=equation, operands=operands)
            equations.append(value)
            results = [value] * len(equation.outvars)
        values |= dict(zip(equation.outvars, results, strict=True))
    return [read_atom(atom) for atom in jaxpr.outvars]


def _continuous(value: _Value) -> bool:
    name = value.equation.primitive.name
    if name in _JUMPS or name in _LOOPS or not has_rule(name):
        return name == "scan" and _is_plain(value.equation)
    if name == "select_n":
        return _choice_is_continuous(value)
    if name == "convert_element_type":
        return _keeps(value.equation)
    if name in ("gather", "dynamic_slice", "dynamic_update_slice"):
        return not any(operand.varies for operand in value.operands[-1:])
    return True


def _keeps(equation: Any) -> bool:
    """Whether a conversion is one of real numbers to types no narrower."""
    before, after = equation.invars[0].aval.dtype, equation.params["new_dtype"]
    both_real = before.kind == "f" and np.issubdtype(after, np.floating)
    return both_real and np.finfo(after).eps <= np.finfo(before).eps


def _is_plain(equation: Any) -> bool:
    """Whether a loop holds nothing that could jump."""
    inner = [value for value in equation.params.values() if hasattr(value, "jaxpr") or hasattr(value, "eqns")]
    names = {inside.primitive.name for body in inner for inside in getattr(body, "jaxpr", body).eqns}
    return not names & (_COMPARISONS | _JUMPS | _LOOPS | CALLS | {"select_n", "convert_element_type"})


def _choice_is_continuous(value: _Value) -> bool:
    predicate, *cases = value.operands
    if not predicate.varies:
        return True
    compared = _through_broadcast(predicate)
    if compared.equation is None or compared.equation.primitive.name not in _COMPARISONS:
        return False
    left, right = compared.operands
    if left is right:  # a test for NaN, the same everywhere
        return True
    if left.varies == right.varies:
        return False
    varying, fixed = (left, right) if left.varies else (right, left)
    at = _computed(fixed, {})
    if at is None:
        return False
    if np.isinf(at.lower).all():
        return True
    shape = np.shape(at.lower) if varying.equation is None else varying.equation.outvars[0].aval.shape
    where = known(np.broadcast_to(at.lower, shape)) if at.exact else None
    if where is None:
        return False
    ends = [_computed(case, {id(varying): where}) for case in cases]
    if any(end is None for end in ends):
        return False
    no, yes = ends
    assert no is not None
    assert yes is not None
    gap = np.maximum(np.abs(yes.upper - no.lower), np.abs(no.upper - yes.lower))
    return bool((gap <= _MATCH * (1 + yes.magnitude)).all())


def _through_broadcast(value: _Value) -> _Value:
    while value.equation is not None and value.equation.primitive.name in ("broadcast_in_dim", "reshape", "copy"):
        value = value.operands[0]
    return value


def _computed(value: _Value, given: dict[int, Interval]) -> Interval | None:
    """The value, of what is given and of constants alone; None if it depends on anything else."""
    if id(value) in given:
        return given[id(value)]
    if value.constant is not None:
        return known(value.constant)
    if value.equation is None or len(value.equation.outvars) != 1:
        return None
    operands = [_computed(operand, given) for operand in value.operands]
    if any(operand is None for operand in operands):
        return None
    try:
        result = rule_of(value.equation.primitive.name)(value.equation, *operands)
    except (ArithmeticError, ValueError, NotImplementedError):
        return None
    result = result if isinstance(result, Interval) else next(iter(result))
    given[id(value)] = result
    return result
