"""Whether a function is continuous, read from its jaxpr: the mean value theorem needs it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlimits.approximation.intervals import rational
from nnlimits.approximation.intervals.control import CALLS, called
from nnlimits.approximation.intervals.interpreter import applied, wide
from nnlimits.approximation.intervals.interval import known
from nnlimits.approximation.intervals.registry import has_rule
from nnlimits.approximation.intervals.tracing import hashable, read

_COMPARISONS = {"lt", "le", "gt", "ge", "eq", "ne", "lt_to", "le_to"}
_JUMPS = {"sign", "floor", "ceil", "round", "rem"}
_LOOPS = {"scan", "cond"}
_INDICES = {
    "gather": slice(1, None), "dynamic_slice": slice(1, None), "dynamic_update_slice": slice(2, None), "scatter": slice(1, 2),
}  # fmt: skip
"""Which operands say where entries are taken from or put."""

_DEEPEST = 100
"""Operations one after the other that are followed."""


class _Value:
    """A value of the flattened program: a constant, or what depends on the point."""

    def __init__(
        self, constant: Any = None, equation: Any = None, operands: tuple["_Value", ...] = (), place: int = 0
    ) -> None:
        self.constant, self.equation, self.operands, self.place = constant, equation, operands, place
        self.varies = constant is None and (equation is None or any(operand.varies for operand in operands))

    @property
    def name(self) -> str:
        """Of the primitive that computes it; empty of the point and of constants."""
        return "" if self.equation is None else self.equation.primitive.name


def is_continuous(function: Callable[[Any], Any], dimension: int) -> bool:
    """Whether a function of JAX is certainly continuous where it is bounded, and so Lipschitz where its derivatives are.

    Operations with jumps (`sign`, `floor`, truth values as numbers) make it False. A choice `where(u > c, a, b)` is continuous if
    each entry of `a` and `b` depends on the point through that of `u` alone, and they agree at `u = c`, which is computed with
    fractions: what agrees but for rounding has a jump, and what follows may enlarge it. False may also mean that this is not
    known.

    **Arguments:** `function`, from points (n, d); `dimension`, d.

    **Raises:** `TypeError` for a function that is not one of JAX.
    """
    closed = read(hashable(function), (1, dimension))
    program = _Program()
    outputs = program.flatten(closed.jaxpr, closed.consts, [_Value()])
    jumps: dict[int, set[_Value]] = {}
    for value in program.computed:
        if value.varies:
            jumps[id(value)] = _jumps_of(value, jumps)
    return not any(jumps.get(id(value)) for value in outputs)


def _jumps_of(value: _Value, jumps: dict[int, set[_Value]]) -> set[_Value]:
    """Those values at or before one that may jump, and be seen in it, given those of its operands."""
    parts = [jumps.get(id(operand), set()) for operand in value.operands]
    if value.name == "select_n" and len(parts) == 3:
        # in a case of a choice, another choice by the same predicate has been made
        made = [{jump for jump in part if jump.name == "select_n" and _same(jump, value)} for part in parts[1:]]
        parts = [parts[0], parts[1] - made[0], parts[2] - made[1]]
    return set().union(*parts) | (set() if _continuous(value) else {value})


def _same(one: _Value, other: _Value) -> bool:
    return one.operands[0] is other.operands[0] and len(one.operands) == 3


class _Program:
    """The equations of a jaxpr and of all that it calls, one after the other."""

    def __init__(self) -> None:
        self.computed: list[_Value] = []
        self._comparisons: dict[Any, _Value] = {}

    def flatten(self, jaxpr: Any, constants: Any, arguments: list[_Value]) -> list[_Value]:
        """Append the equations; the values of the results."""
        values = dict(zip(jaxpr.invars, arguments, strict=True))
        values |= {
            variable: _Value(np.asarray(value)) for variable, value in zip(jaxpr.constvars, constants, strict=True)
        }

        def of(atom: Any) -> _Value:
            return _Value(np.asarray(atom.val)) if hasattr(atom, "val") else values[atom]

        for equation in jaxpr.eqns:
            operands = tuple(of(atom) for atom in equation.invars)
            if equation.primitive.name in CALLS:
                results = self.flatten(*called(equation), list(operands))
            elif equation.primitive.name in _COMPARISONS:
                results = [self._comparison(equation, operands)]
            else:
                results = _folded(equation, operands)
                if results is None:
                    results = [_Value(None, equation, operands, place) for place in range(len(equation.outvars))]
                    self.computed += results
            values |= dict(zip(equation.outvars, results, strict=True))
        return [of(atom) for atom in jaxpr.outvars]

    def _comparison(self, equation: Any, operands: tuple[_Value, ...]) -> _Value:
        """One value for each comparison, however often it is written."""
        parts = [
            id(each) if each.constant is None else (each.constant.shape, each.constant.tobytes()) for each in operands
        ]
        key = (equation.primitive.name, *parts)
        if key not in self._comparisons:
            self._comparisons[key] = _Value(None, equation, operands)
            self.computed.append(self._comparisons[key])
        return self._comparisons[key]


def _folded(equation: Any, operands: tuple[_Value, ...]) -> list[_Value] | None:
    """The results as constants, if the operands are, and if there is no rounding."""
    if any(operand.constant is None for operand in operands):
        return None
    try:
        found = applied(equation, [known(wide(operand.constant)) for operand in operands])
    except (NotImplementedError, TypeError, ValueError, ArithmeticError):
        return None
    return [_Value(each.lower) for each in found] if all(each.exact for each in found) else None


def _continuous(value: _Value) -> bool:
    if value.name in _JUMPS or value.name in _LOOPS or not has_rule(value.name):
        return value.name == "scan" and _is_plain(value.equation)
    if value.name == "select_n":
        return _choice_is_continuous(value)
    if value.name == "convert_element_type":
        return _keeps(value.equation)
    if value.name in _INDICES:
        return not any(operand.varies for operand in value.operands[_INDICES[value.name]])
    return True


def _keeps(equation: Any) -> bool:
    """Whether a conversion is one of real numbers to types no narrower."""
    before, after = equation.invars[0].aval.dtype, equation.params["new_dtype"]
    both_real = before.kind == "f" and np.issubdtype(after, np.floating)
    return both_real and bool(np.finfo(after).eps <= np.finfo(before).eps)


def _is_plain(equation: Any) -> bool:
    """Whether a loop holds nothing that could jump."""
    inner = [value for value in equation.params.values() if hasattr(value, "jaxpr") or hasattr(value, "eqns")]
    names = {inside.primitive.name for body in inner for inside in getattr(body, "jaxpr", body).eqns}
    return not names & (_COMPARISONS | _JUMPS | _LOOPS | CALLS | {"select_n", "convert_element_type"})


def _choice_is_continuous(value: _Value) -> bool:
    predicate, *cases = value.operands
    if not predicate.varies:
        return True
    compared = predicate
    while compared.name in ("broadcast_in_dim", "reshape", "copy"):
        compared = compared.operands[0]
    if compared.name == "is_finite":  # all real numbers are
        return True
    if compared.name not in _COMPARISONS or len(cases) > 2:
        return False
    left, right = compared.operands
    if left is right:  # a test for NaN, the same everywhere
        return True
    if left.varies == right.varies:
        return False
    varying, fixed = (left, right) if left.varies else (right, left)
    if fixed.constant is not None and fixed.constant.size and np.isinf(fixed.constant).all():
        return True
    shape = compared.equation.outvars[0].aval.shape
    at = _exact(fixed, {}, _DEEPEST)
    if at is None or (compared is not predicate and np.prod(shape) > 1):
        return False
    places = [np.broadcast_to(at, shape)]
    if varying.name == "abs":  # |w| = c at two places
        varying, places = varying.operands[0], [places[0], -places[0]]
    return all(_agree(predicate, cases, varying, place) for place in places)


def _agree(predicate: _Value, cases: list[_Value], varying: _Value, place: np.ndarray) -> bool:
    ends = []
    for chosen, case in zip((False, True), cases, strict=True):
        side = np.full(predicate.equation.outvars[0].aval.shape, chosen, object)
        ends.append(_exact(case, {id(varying): place, id(predicate): side}, _DEEPEST))
    return not any(end is None for end in ends) and bool(np.all(ends[0] == ends[1]))


def _exact(value: _Value, given: dict[int, np.ndarray], deepest: int) -> np.ndarray | None:
    """The value as fractions, of what is given and of constants alone; None if it depends on anything else."""
    if id(value) not in given:
        if value.constant is not None:
            found = rational.fractions(value.constant)
        elif value.equation is None or deepest == 0:
            found = None
        else:
            parts = [_exact(operand, given, deepest - 1) for operand in value.operands]
            operands = [part for part in parts if part is not None]
            found = rational.apply(value.equation, *operands) if len(operands) == len(parts) else None
        if found is None:
            return None
        given[id(value)] = found
    return given[id(value)]
