"""Calls, loops of a known length, and branches that are known."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlimits.approximation.intervals.interpreter import interpret
from nnlimits.approximation.intervals.interval import Interval, known
from nnlimits.approximation.intervals.registry import register

CALLS = frozenset(
    {
        "jit",
        "pjit",
        "closed_call",
        "core_call",
        "remat",
        "remat2",
        "checkpoint",
        "custom_jvp_call",
        "custom_vjp_call",
        "custom_vjp_call_jaxpr",
    }
)
"""Primitives that evaluate a program of their own, once."""


def called(equation: Any) -> tuple[Any, Sequence[Any]]:
    """The program that an equation of `CALLS` evaluates, and its constants."""
    body = next(equation.params[name] for name in ("jaxpr", "call_jaxpr", "fun_jaxpr") if name in equation.params)
    return getattr(body, "jaxpr", body), getattr(body, "consts", ())


@register(*CALLS)
def call(equation: Any, *operands: Interval) -> list[Interval]:
    """What is inside."""
    return interpret(*called(equation), operands)


@register("scan")
def scan(equation: Any, *operands: Interval) -> list[Interval]:
    """One step after the other."""
    params = equation.params
    constants, carried = params["num_consts"], params["num_carry"]
    body, length = params["jaxpr"], params["length"]
    fixed, carry = operands[:constants], list(operands[constants : constants + carried])
    sequences = operands[constants + carried :]
    steps = range(length)[::-1] if params["reverse"] else range(length)
    outputs: list[list[Interval]] = [[] for _ in equation.outvars[carried:]]
    for step in steps:
        entries = [sequence.moved(lambda values, step=step: values[step]) for sequence in sequences]
        results = interpret(body.jaxpr, body.consts, [*fixed, *carry, *entries])
        carry = results[:carried]
        for kept, result in zip(outputs, results[carried:], strict=True):
            kept.append(result)
    ordered = [kept[::-1] if params["reverse"] else kept for kept in outputs]
    return [*carry, *(_stacked(kept, var) for kept, var in zip(ordered, equation.outvars[carried:], strict=True))]


@register("cond")
def branch(equation: Any, index: Interval, *operands: Interval) -> list[Interval]:
    """The branch that is taken; the hull of all that may be."""
    branches = equation.params["branches"]
    low, high = (int(np.clip(end, 0, len(branches) - 1)) for end in (index.lower, index.upper))
    hulls: list[Interval] | None = None
    for body in branches[low : high + 1]:
        results = interpret(body.jaxpr, body.consts, operands)
        hulls = results if hulls is None else [a.hull(b) for a, b in zip(hulls, results, strict=True)]
    assert hulls is not None
    return hulls


def _stacked(kept: list[Interval], variable: Any) -> Interval:
    if not kept:
        return known(np.zeros(variable.aval.shape))
    return Interval(np.stack([each.lower for each in kept]), np.stack([each.upper for each in kept]))
