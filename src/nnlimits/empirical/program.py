"""A network as a list of primitive operations, read from its jaxpr.

The expression that `jax.make_jaxpr` returns is read by the attributes of its parts; each operation is applied again as an
expression of its own, so that nothing here depends on how JAX applies one.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jaxtyping import Array

_INLINED = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr", "remat2": "jaxpr"}
_INLINED |= {"checkpoint": "jaxpr", "remat": "jaxpr"}
"""Operations that only wrap others, and where they keep them. Rules of differentiation of one's own stay whole."""


class Constant(NamedTuple):
    """A value written into the program."""

    value: Any


Operand = int | Constant
"""What an equation takes: the result of another, by number, or a constant."""


class Equation(NamedTuple):
    """One primitive operation."""

    name: str
    params: dict[str, Any]
    inputs: tuple[Operand, ...]
    outputs: tuple[int, ...]
    apply: Callable[..., list[Any]]
    """From the values of the inputs to those of the outputs."""


class Program(NamedTuple):
    """Equations in an order in which they can be evaluated; values are numbered."""

    equations: tuple[Equation, ...]
    inputs: tuple[int, ...]
    output: Operand
    types: dict[int, Any]
    """Shape and dtype of each value."""
    flops: float
    """Of the products of matrices and convolutions, those inside loops included."""

    def uses(self) -> dict[int, int]:
        """How often each value is used, as an operand or as the output."""
        counts = dict.fromkeys(self.types, 0)
        for operand in [*(o for equation in self.equations for o in equation.inputs), self.output]:
            if isinstance(operand, int):
                counts[operand] += 1
        return counts

    def evaluate(
        self, inputs: list[Any], changes: Mapping[int, Any], wanted: tuple[Operand, ...]
    ) -> tuple[Array, list[Any]]:
        """The output, and the values that are wanted.

        **Arguments:** `inputs`, one value an input; `changes`, what is added to some values as they are computed.
        """
        values = dict(zip(self.inputs, inputs, strict=True))

        def value(operand: Operand) -> Any:
            return operand.value if isinstance(operand, Constant) else values[operand]

        for equation in self.equations:
            results = equation.apply(*map(value, equation.inputs))
            for number, result in zip(equation.outputs, results, strict=True):
                values[number] = result + changes[number] if number in changes else result
        return value(self.output), [value(operand) for operand in wanted]


def read_program(function: Callable[..., Array], *arguments: Any) -> Program:
    """The program of `function(*arguments)`, one array; its inputs are the leaves of the arguments."""
    closed = jax.make_jaxpr(function)(*arguments)
    reader = _Reader()
    inputs = [reader.new(variable) for variable in closed.jaxpr.invars]
    (output,) = reader.read(closed.jaxpr, inputs, [Constant(value) for value in closed.consts])
    return Program(tuple(reader.equations), tuple(inputs), output, reader.types, _flops(closed.jaxpr))


class _Reader:
    """Numbers values, and puts the equations of inner calls in place of the calls."""

    def __init__(self) -> None:
        self.equations: list[Equation] = []
        self.types: dict[int, Any] = {}

    def new(self, variable: Any) -> int:
        number = len(self.types)
        self.types[number] = jax.ShapeDtypeStruct(variable.aval.shape, variable.aval.dtype)
        return number

    def read(self, jaxpr: Any, inputs: list[Any], constants: list[Any]) -> list[Operand]:
        numbers: dict[Any, Operand] = dict(zip(jaxpr.invars, inputs, strict=True))
        numbers |= dict(zip(jaxpr.constvars, constants, strict=True))
        atoms = [*(atom for equation in jaxpr.eqns for atom in equation.invars), *jaxpr.outvars]
        used = {atom for atom in atoms if not hasattr(atom, "val")}

        def operand(atom: Any) -> Operand:
            return Constant(atom.val) if hasattr(atom, "val") else numbers[atom]

        for equation in jaxpr.eqns:
            operands = [operand(atom) for atom in equation.invars]
            inner = equation.params.get(_INLINED.get(equation.primitive.name, ""))
            if inner is not None:
                body, consts = getattr(inner, "jaxpr", inner), getattr(inner, "consts", ())
                results = self.read(body, operands, [Constant(value) for value in consts])
                numbers |= dict(zip(equation.outvars, results, strict=True))
                continue
            kept = [variable for variable in equation.outvars if variable in used]
            outputs = tuple(self.new(variable) for variable in kept)
            numbers |= dict(zip(kept, outputs, strict=True))
            apply = _function_of(jaxpr, equation, kept)
            name = equation.primitive.name
            self.equations.append(Equation(name, dict(equation.params), tuple(operands), outputs, apply))
        return [operand(atom) for atom in jaxpr.outvars]


def _function_of(jaxpr: Any, equation: Any, outputs: list[Any]) -> Callable[..., list[Any]]:
    """One equation as a function of all its operands, the literal ones ignored."""
    variables = list(dict.fromkeys(atom for atom in equation.invars if not hasattr(atom, "val")))
    places = [next(i for i, atom in enumerate(equation.invars) if atom is variable) for variable in variables]
    alone = jaxpr.replace(constvars=[], invars=variables, outvars=outputs, eqns=[equation])
    function = jaxpr_as_fun(ClosedJaxpr(alone, ()))
    return lambda *operands: function(*(operands[place] for place in places))


def _flops(jaxpr: Any) -> float:
    return float(sum(_flops_of_equation(equation) for equation in jaxpr.eqns))


def _flops_of_equation(equation: Any) -> float:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        contracted = params["dimension_numbers"][0][0]
        fan_in = math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
        return 2.0 * fan_in * math.prod(equation.outvars[0].aval.shape)
    if name == "conv_general_dilated":
        weight = equation.invars[1].aval.shape
        fan_in = math.prod(weight) / weight[params["dimension_numbers"].rhs_spec[0]]
        return 2.0 * fan_in * math.prod(equation.outvars[0].aval.shape)
    inner = [value for value in params.values() if hasattr(value, "eqns") or hasattr(value, "jaxpr")]
    inner += list(params.get("branches", ()))
    return float(params.get("length", 1)) * sum(_flops(getattr(body, "jaxpr", body)) for body in inner)
