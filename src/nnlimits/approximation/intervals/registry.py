"""Rules: how each primitive operation of JAX acts on intervals."""

from collections.abc import Callable
from typing import Any

Rule = Callable[..., Any]
"""From an equation of a jaxpr (its `params`, its `outvars`) and the `Interval` of each operand to that of the result, or to a
list of those of several results."""

_RULES: dict[str, Rule] = {}


def register(*names: str) -> Callable[[Rule], Rule]:
    """A decorator that makes a function the rule of primitives, by name.

    The rule is given the equation and one `Interval` for each operand, and returns an `Interval` that contains every result of
    operands in theirs, or a list of such intervals where the primitive has several results.
    """

    def keep(rule: Rule) -> Rule:
        for name in names:
            _RULES[name] = rule
        return rule

    return keep


def rule_of(name: str) -> Rule:
    """The rule of a primitive.

    **Raises:** `NotImplementedError` for one without.
    """
    if name not in _RULES:
        raise NotImplementedError(
            f"the primitive {name} has no rule for intervals; write one, and register it with "
            f"@nnlimits.approximation.intervals.register({name!r}): a function of the equation and of the intervals of "
            "its operands that returns the interval of the result"
        )
    return _RULES[name]


def has_rule(name: str) -> bool:
    """Whether a primitive has a rule."""
    return name in _RULES
