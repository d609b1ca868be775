"""A function as what its program computes, whatever derivatives it claims to have."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits.approximation.intervals.control import CALLS, called
from nnlimits.approximation.intervals.tracing import hashable, read

_LARGEST_CHAIN = 64
"""Entries of which a maximum is taken one after the other."""


def plain(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same function of points (n, d), with derivatives that are those of its operations.

    Derivative rules of one's own (`jax.custom_jvp`, `jax.custom_vjp`) and `stop_gradient` may say anything, and what is proved of
    a function must not rest on them. A maximum along an axis is taken of two entries at a time, since JAX's derivative of
    the whole divides by a number of entries that intervals do not know to be positive.
    """
    function = hashable(function)

    def evaluated(x: Any) -> Any:
        closed = read(function, x.shape)
        (value,) = _evaluate(closed.jaxpr, closed.consts, [x])
        return value

    return evaluated


def _evaluate(jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
    values = dict(zip([*jaxpr.invars, *jaxpr.constvars], [*arguments, *constants], strict=True))

    def of(atom: Any) -> Any:
        return np.asarray(atom.val, atom.aval.dtype) if hasattr(atom, "val") else values[atom]

    for equation in jaxpr.eqns:
        values |= zip(equation.outvars, _results(equation, [of(atom) for atom in equation.invars]), strict=True)
    return [of(atom) for atom in jaxpr.outvars]


def _results(equation: Any, operands: list[Any]) -> Sequence[Any]:
    name = equation.primitive.name
    if name in CALLS:
        return _evaluate(*called(equation), operands)
    if name in _OWN:
        return _OWN[name](equation, operands)
    results = equation.primitive.bind(*operands, **equation.params)
    return results if equation.primitive.multiple_results else [results]


def _stop_gradient(_: Any, operands: list[Any]) -> list[Any]:
    return operands


def _scan(equation: Any, operands: list[Any]) -> Sequence[Any]:
    params = equation.params
    constants, carried, body = params["num_consts"], params["num_carry"], params["jaxpr"]

    def step(carry: Any, entries: Any) -> tuple[Any, Any]:
        results = _evaluate(body.jaxpr, body.consts, [*operands[:constants], *carry, *entries])
        return tuple(results[:carried]), tuple(results[carried:])

    start, sequences = tuple(operands[constants : constants + carried]), tuple(operands[constants + carried :])
    carry, outputs = jax.lax.scan(step, start, sequences, params["length"], params["reverse"])
    return [*carry, *outputs]


def _branch(equation: Any, operands: list[Any]) -> Sequence[Any]:
    branches = [
        lambda *arguments, body=body: _evaluate(body.jaxpr, body.consts, arguments)
        for body in equation.params["branches"]
    ]
    return jax.lax.switch(operands[0], branches, *operands[1:])


def _largest(equation: Any, operands: list[Any]) -> Sequence[Any]:
    (a,), axes = operands, equation.params["axes"]
    kept = [axis for axis in range(a.ndim) if axis not in axes]
    entries = jnp.transpose(a, [*axes, *kept]).reshape(-1, *(a.shape[axis] for axis in kept))
    if not 0 < len(entries) <= _LARGEST_CHAIN or not jnp.issubdtype(a.dtype, jnp.floating):
        return [equation.primitive.bind(a, **equation.params)]
    if equation.primitive.name == "reduce_max":
        return [functools.reduce(jax.lax.max, list(entries))]
    return [-functools.reduce(jax.lax.max, list(-entries))]


_OWN = {
    "stop_gradient": _stop_gradient, "scan": _scan, "cond": _branch, "reduce_max": _largest, "reduce_min": _largest,
}  # fmt: skip
