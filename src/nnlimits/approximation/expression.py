"""Functions to approximate, from text such as `sin(3*x0) + abs(x1)`. No code of the text is run: its syntax tree is read."""

import ast
import dataclasses
import functools
import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.approximation.expression_words import BINARY, COMPARISONS, CONSTANTS, FUNCTIONS, truth
from nnlimits.nn.fields import as_integer

_LONGEST = 2000
_MOST_NODES = 500
_LARGEST_POWER = 64
"""The largest exponent that is multiplied out."""

_VARIABLE = re.compile(r"x(0|[1-9][0-9]{0,3})")

_Compiled = Callable[[Float[Array, "n d"]], Any]


@dataclasses.dataclass(frozen=True)
class Expression:
    """A function of points, from its text; two are equal if text and dimension are."""

    text: str
    """What was given."""
    dimension: int
    """The number of inputs."""

    def __call__(self, x: Float[Array | np.ndarray, "n d"]) -> Float[Array, " n"]:
        """The values at points; comparisons count 1 where they hold and 0 elsewhere."""
        x = jnp.asarray(x)
        value = jnp.asarray(_compiled(self.text, self.dimension)(x))
        return jnp.broadcast_to(value.astype(x.dtype), x.shape[:1])


def expression(text: Any, dimension: int | None = None) -> Expression:
    """The function that a text describes, in the notation of Python.

    It may hold numbers, `pi`, `e`, the inputs `x0`, `x1`, ... (`x` is the only one in one dimension), the distance `r` from the
    origin, `+ - * / % **`, comparisons joined by `and`, `or` and `not`, `a if b else c`, and `FUNCTIONS`.

    **Arguments:** `text`; `dimension`, the number of inputs, or None for as many as the text names.

    **Raises:** `TypeError` unless `text` is one; `ValueError` that points at the part which is not understood, or at an input
    beyond the dimension.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, such as 'sin(3*x0) + abs(x1)'; received {type(text).__name__}")
    tree = _parsed(text)
    if dimension is None:
        named = [_VARIABLE.fullmatch(node.id) for node in ast.walk(tree) if isinstance(node, ast.Name)]
        dimension = 1 + max((int(match[1]) for match in named if match), default=0)
    found = Expression(text, as_integer("dimension", 1, dimension))
    _compiled(text, found.dimension)
    return found


def _parsed(text: str) -> ast.expr:
    if len(text) > _LONGEST:
        raise ValueError(f"an expression may have {_LONGEST} characters; received {len(text)}")
    if not text.strip():
        raise ValueError("the expression is empty; write one such as sin(3*x0) + abs(x1)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        start = max(0, (error.offset or 1) - 1)
        raise _refused(text, start, start + 1, f"the expression is not understood ({error.msg})") from None
    except (RecursionError, MemoryError, ValueError) as error:
        raise ValueError(f"the expression is not understood ({error})") from None
    if sum(1 for _ in ast.walk(tree)) > _MOST_NODES:
        raise ValueError(f"the expression has more than {_MOST_NODES} parts; write the function in Python")
    return tree


@functools.lru_cache(maxsize=256)
def _compiled(text: str, dimension: int) -> _Compiled:
    return _Reader(text, dimension).read(_parsed(text))


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Functions from syntax trees, one method a kind of node."""

    text: str
    dimension: int

    def read(self, node: ast.expr) -> _Compiled:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise self._error(node, f"{_KINDS.get(type(node), 'this')} cannot be used in an expression")
        return method(node)

    def _constant(self, node: ast.Constant) -> _Compiled:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(node, "only real numbers can be used as constants")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self._error(node, "the number is too large")
        return lambda x: number

    def _name(self, node: ast.Name) -> _Compiled:
        if node.id in CONSTANTS:
            return lambda x: CONSTANTS[node.id]
        if node.id == "r":
            return lambda x: jnp.sqrt(jnp.sum(x**2, axis=1))
        if node.id == "x" and self.dimension == 1:
            return lambda x: x[:, 0]
        known = "x or x0" if self.dimension == 1 else f"x0 to x{self.dimension - 1}"
        match = _VARIABLE.fullmatch(node.id)
        if match is None:
            arguments = " (a function needs its arguments in brackets)" if node.id in FUNCTIONS else ""
            raise self._error(node, f"unknown name {node.id}{arguments}; the inputs are {known}, and r")
        axis = int(match[1])
        if axis >= self.dimension:
            raise self._error(
                node, f"there is no input {node.id} in dimension {self.dimension}; the inputs are {known}"
            )
        return lambda x: x[:, axis]

    def _binop(self, node: ast.BinOp) -> _Compiled:
        if isinstance(node.op, ast.Pow):
            return self._power(node)
        if isinstance(node.op, ast.BitXor):
            raise self._error(node, "powers are written **, not ^")
        combine = BINARY.get(type(node.op))
        if combine is None:
            raise self._error(node, "this operation cannot be used; use + - * / % and **")
        left, right = self.read(node.left), self.read(node.right)
        return lambda x: combine(jnp.asarray(left(x), x.dtype), jnp.asarray(right(x), x.dtype))

    def _power(self, node: ast.BinOp) -> _Compiled:
        """A whole number as exponent stays one, so that the base may be negative; even powers of r are smooth at the origin."""
        base, exponent = self.read(node.left), self.read(node.right)
        whole = _whole_number(node.right)
        if isinstance(node.left, ast.Name) and node.left.id == "r" and whole in (2, 4, 6, 8):
            return lambda x: jnp.sum(x**2, axis=1) ** (whole // 2)
        if whole is not None and abs(whole) <= _LARGEST_POWER:
            return lambda x: jnp.asarray(base(x), x.dtype) ** whole
        return lambda x: jnp.power(jnp.asarray(base(x), x.dtype), exponent(x))

    def _unaryop(self, node: ast.UnaryOp) -> _Compiled:
        operand = self.read(node.operand)
        if isinstance(node.op, ast.USub):
            return lambda x: -jnp.asarray(operand(x), x.dtype)
        if isinstance(node.op, ast.UAdd):
            return operand
        if isinstance(node.op, ast.Not):
            return lambda x: ~truth(operand(x))
        raise self._error(node, "this operation cannot be used; use + - * / % and **")

    def _compare(self, node: ast.Compare) -> _Compiled:
        for comparison in node.ops:
            if type(comparison) not in COMPARISONS:
                raise self._error(node, "comparisons are < <= > >= == and !=")
        parts = [self.read(part) for part in (node.left, *node.comparators)]
        tests = [COMPARISONS[type(comparison)] for comparison in node.ops]

        def holds(x: Float[Array, "n d"]) -> Any:
            values = [part(x) for part in parts]
            pairs = zip(tests, values, values[1:], strict=False)
            return functools.reduce(jnp.logical_and, (jnp.asarray(test(one, other)) for test, one, other in pairs))

        return holds

    def _boolop(self, node: ast.BoolOp) -> _Compiled:
        parts = [self.read(part) for part in node.values]
        join = jnp.logical_and if isinstance(node.op, ast.And) else jnp.logical_or
        return lambda x: functools.reduce(join, (truth(part(x)) for part in parts))

    def _ifexp(self, node: ast.IfExp) -> _Compiled:
        test, one, other = self.read(node.test), self.read(node.body), self.read(node.orelse)
        return lambda x: jnp.where(truth(test(x)), one(x), other(x))

    def _call(self, node: ast.Call) -> _Compiled:
        if not isinstance(node.func, ast.Name):
            raise self._error(node.func, "only functions by their plain names can be called, such as sin(x0)")
        if node.func.id not in FUNCTIONS:
            raise self._error(node.func, f"unknown function {node.func.id}; there are {', '.join(sorted(FUNCTIONS))}")
        function, count = FUNCTIONS[node.func.id]
        if node.keywords or len(node.args) != count:
            given = len(node.args) + len(node.keywords)
            raise self._error(node, f"{node.func.id} takes {count} argument{'s' * (count > 1)}; received {given}")
        arguments = [self.read(argument) for argument in node.args]
        return lambda x: function(*(_number(argument(x), x.dtype) for argument in arguments))

    def _error(self, node: ast.expr, message: str) -> ValueError:
        """Columns of a syntax tree count bytes of UTF-8."""
        lines = self.text.encode().split(b"\n")
        before = sum(len(line.decode()) + 1 for line in lines[: node.lineno - 1])
        line = lines[node.lineno - 1]
        start = before + len(line[: node.col_offset].decode())
        end = node.end_col_offset if node.end_lineno == node.lineno else node.col_offset + 1
        return _refused(self.text, start, before + len(line[:end].decode()), message)


_KINDS: dict[type, str] = {
    ast.Attribute: "an attribute",
    ast.Subscript: "an index",
    ast.Lambda: "a lambda",
    ast.List: "a list",
    ast.Tuple: "a tuple",
    ast.Dict: "a dictionary",
    ast.Set: "a set",
    ast.JoinedStr: "a string",
    ast.ListComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.NamedExpr: "an assignment",
    ast.Await: "await",
    ast.Starred: "a star",
}


def _refused(text: str, start: int, end: int, message: str) -> ValueError:
    """An error that shows the part of the text it is about."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    line = text[first : last if last >= 0 else len(text)]
    marks = " " * (start - first) + "^" * max(1, min(end, first + len(line)) - start)
    return ValueError(f"{message}\n  {line}\n  {marks}")


def _whole_number(node: ast.expr) -> int | None:
    """An exponent such as 2, -2 or 2.0."""
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return sign * int(value)


def _number(value: Any, dtype: Any) -> Any:
    value = jnp.asarray(value)
    return value if value.dtype == bool else value.astype(dtype)
