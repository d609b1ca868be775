"""The graph of an Equinox or Flax model, traced by JAX.

The modules that have a rule are replaced by `Leaf`, which leaves its number in the traced program as the name of a function;
what is between them are JAX's own operations.
"""

import abc
import math
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits import nn
from nnlimits.convert import graph
from nnlimits.convert.graph import Value, refuse

_CALLS = {"jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "custom_vmap_call", "remat2"}
_CALLS |= {"checkpoint", "remat", "custom_vjp_call_jaxpr"}
_BODIES = ("jaxpr", "call_jaxpr", "call", "fun_jaxpr")

_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "abs": jnp.abs,
    "add": jnp.add,
    "add_any": jnp.add,
    "atan2": jnp.arctan2,
    "clamp": lambda low, x, high: jnp.clip(x, low, high),
    "cos": jnp.cos,
    "cosh": jnp.cosh,
    "div": jnp.divide,
    "eq": jnp.equal,
    "erf": jax.scipy.special.erf,
    "erfc": jax.scipy.special.erfc,
    "exp": jnp.exp,
    "exp2": jnp.exp2,
    "expm1": jnp.expm1,
    "ge": jnp.greater_equal,
    "gt": jnp.greater,
    "is_finite": jnp.isfinite,
    "le": jnp.less_equal,
    "log": jnp.log,
    "log1p": jnp.log1p,
    "logistic": jax.nn.sigmoid,
    "lt": jnp.less,
    "max": jnp.maximum,
    "min": jnp.minimum,
    "mul": jnp.multiply,
    "ne": jnp.not_equal,
    "neg": jnp.negative,
    "not": jnp.logical_not,
    "and": jnp.logical_and,
    "or": jnp.logical_or,
    "pow": jnp.power,
    "rsqrt": lambda x: 1 / jnp.sqrt(x),
    "select_n": lambda which, first, second: jnp.where(which, second, first),
    "sign": jnp.sign,
    "sin": jnp.sin,
    "sinh": jnp.sinh,
    "sqrt": jnp.sqrt,
    "square": jnp.square,
    "sub": jnp.subtract,
    "tan": jnp.tan,
    "tanh": jnp.tanh,
}
_REASONS = {
    "reduce_window_max": "max pooling has no kernel in closed form at infinite width; use average pooling",
    "reduce_max": "the maximum has no kernel in closed form at infinite width",
    "argmax": "the maximum has no kernel in closed form at infinite width",
    "dot_general": "a product that is no layer with a rule (attention, or weights of the model's own); put it in a module and "
    "register a rule for that",
    "conv_general_dilated": "a convolution that is no layer with a rule; put it in a module and register a rule for that",
    "scan": "a loop; write the layers one after another",
    "while": "a loop; write the layers one after another",
    "stop_gradient": "a stopped gradient has no counterpart in the language",
}


class Leaf:
    """A module that has a rule, while its model is traced: a function that carries the number of the module in its name.

    Mapped over further axes by `jax.vmap`, those lead.
    """

    def __init__(self, module: Any, number: int, call: Callable[[Any, Any], Any]) -> None:
        self.module, self.number, self.call = module, number, call

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The module's own result; further arguments, such as random keys, are left out."""
        return self._marked(lambda x: self.call(self.module, x))(x)

    def _marked(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def named(x: Any) -> Any:
            return function(x)

        named.__name__ = named.__qualname__ = f"nnlimits_leaf_{self.number}"
        marked = jax.custom_batching.custom_vmap(jax.jit(named))

        @marked.def_vmap
        def _(axis_size: int, in_batched: list[bool], x: Any) -> tuple[Any, bool]:
            return self._marked(jax.vmap(function))(x), True

        return marked

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)


jax.tree_util.register_pytree_node(
    Leaf, lambda leaf: ((), (leaf.module, leaf.number, leaf.call)), lambda aux, _: Leaf(*aux)
)


class Leaves(abc.ABC):
    """The modules with rules, by their numbers."""

    progress: int = 0
    """How many operations have been understood."""

    @abc.abstractmethod
    def apply(self, number: int, value: Value, shape: tuple[int, ...]) -> Value:
        """A module applied to a value; the shape of the result is known."""


def trace(model: Callable[[Any], Any], start: Value, dtype: Any, leaves: Leaves, path: str) -> Value:
    """The output of a model whose modules with rules are leaves, as the end of a graph that begins with `start`."""
    closed = jax.make_jaxpr(model)(jax.ShapeDtypeStruct(start.shape, dtype))
    if len(closed.jaxpr.outvars) != 1:
        raise refuse(path, f"returns {len(closed.jaxpr.outvars)} arrays; a network of the language has one output")
    (output,) = _Reader(leaves, path).read(closed.jaxpr, [start], closed.consts)
    if not isinstance(output, Value):
        raise refuse(path, "has an output that does not depend on its input")
    return output


class _Reader:
    def __init__(self, leaves: Leaves, path: str) -> None:
        self.leaves, self.path = leaves, path

    def read(self, jaxpr: Any, inputs: list[Any], constants: Any) -> list[Any]:
        """The results of a program; values that depend on the input are `Value`s, others arrays."""
        known: dict[Any, Any] = dict(zip(jaxpr.invars, inputs, strict=True))
        known |= dict(zip(jaxpr.constvars, constants, strict=True))

        def operand(atom: Any) -> Any:
            return atom.val if hasattr(atom, "val") else known[atom]

        for equation in jaxpr.eqns:
            results = self._results(equation, [operand(atom) for atom in equation.invars])
            known |= dict(zip(equation.outvars, results, strict=True))
            self.leaves.progress += 1
        return [operand(atom) for atom in jaxpr.outvars]

    def _results(self, equation: Any, operands: list[Any]) -> list[Any]:
        name, params = equation.primitive.name, equation.params
        values = [x for x in operands if isinstance(x, Value)]
        leaf = re.fullmatch(r"nnlimits_leaf_(\d+)", str(params.get("name", "")))
        if leaf and values:
            return [self.leaves.apply(int(leaf[1]), values[-1], equation.outvars[0].aval.shape)]
        if name in _CALLS:
            body = next(params[key] for key in _BODIES if key in params)
            return self.read(getattr(body, "jaxpr", body), operands, getattr(body, "consts", ()))
        if not values:
            return _evaluated(equation, operands)
        if name == "integer_pow":
            return [graph.elementwise(_power(params["y"]), values, f"{self.path} (integer_pow)")]
        if name in _ELEMENTWISE:
            return [self._elementwise(name, operands)]
        shaped = getattr(self, f"_{name}", None)
        if shaped is None:
            reason = _REASONS.get(name, "this operation has no counterpart in the language")
            raise refuse(self.path, f"its code uses {name}: {reason}")
        return [shaped(operands, params, equation.outvars[0].aval.shape)]

    def _elementwise(self, name: str, operands: list[Any]) -> Value:
        values = [x for x in operands if isinstance(x, Value)]
        numbers = [None if isinstance(x, Value) else self._number(name, x) for x in operands]
        if len(operands) == 2 and len(values) == 1:
            factor = _factor(name, numbers)
            if factor is not None:
                return graph.scaled(values[0], factor, f"{self.path} ({name})")
        place = f"{self.path} ({name})"
        if name == "neg":
            return graph.scaled(values[0], -1.0, place)
        if name == "sub" and len(values) == 2:
            return graph.elementwise(jnp.add, [values[0], graph.scaled(values[1], -1.0, place)], place)
        if len(values) == len(operands):
            return graph.elementwise(_ELEMENTWISE[name], values, place)
        return graph.elementwise(_with_numbers(_ELEMENTWISE[name], numbers, name), values, place)

    def _number(self, name: str, array: Any) -> float:
        entries = np.asarray(array)
        if entries.size and (entries == entries.ravel()[0]).all():
            return entries.ravel()[0].item()
        raise refuse(
            self.path,
            f"its code uses {name} with an array of shape {entries.shape} that is in no layer with a rule; put it in a module "
            "of its own and register a rule for that",
        )

    def _convert_element_type(self, operands: list[Any], params: dict[str, Any], shape: tuple[int, ...]) -> Value:
        if np.issubdtype(params["new_dtype"], np.integer):
            raise refuse(self.path, "its code rounds to integers, which has no gradient")
        return operands[0]

    def _copy(self, operands: list[Any], params: dict[str, Any], shape: tuple[int, ...]) -> Value:
        return operands[0]

    def _reshape(self, operands: list[Any], params: dict[str, Any], shape: tuple[int, ...]) -> Value:
        return graph.reshaped(operands[0], shape, f"{self.path} (reshape)")

    _squeeze = _expand_dims = _reshape

    def _broadcast_in_dim(self, operands: list[Any], params: dict[str, Any], shape: tuple[int, ...]) -> Value:
        value = operands[0]
        if math.prod(shape) != math.prod(value.shape):
            raise refuse(self.path, f"its code repeats a value of shape {value.shape} to {shape}")
        return graph.reshaped(value, shape, f"{self.path} (broadcast_in_dim)")

    def _transpose(self, operands: list[Any], params: dict[str, Any], shape: tuple[int, ...]) -> Value:
        return graph.transposed(operands[0], params["permutation"])

    def _reduce_sum(self, operands: list[Any], params: dict[str, Any], shape: tuple[int, ...]) -> Value:
        value, place = operands[0], f"{self.path} (reduce_sum)"
        count = math.prod(value.shape) // max(math.prod(shape), 1)
        return graph.scaled(graph.averaged(value, params["axes"], place), float(count), place)

    def _concatenate(self, operands: list[Any], params: dict[str, Any], shape: tuple[int, ...]) -> Value:
        if not all(isinstance(x, Value) for x in operands):
            raise refuse(self.path, "its code lays constants beside a value, which has no counterpart in the language")
        return graph.concatenated(operands, params["dimension"], f"{self.path} (concatenate)")

    def _reduce_window_sum(self, operands: list[Any], params: dict[str, Any], shape: tuple[int, ...]) -> Value:
        value, place = operands[0], f"{self.path} (reduce_window_sum)"
        axes = [i for i, label in enumerate(value.labels) if isinstance(label, tuple)]
        window, strides, padding = (params[k] for k in ("window_dimensions", "window_strides", "padding"))
        others = [i for i in range(len(shape)) if i not in axes]
        plain = all(d == 1 for key in ("base_dilation", "window_dilation") for d in params[key])
        if not plain or any(window[i] != 1 or strides[i] != 1 for i in others):
            raise refuse(place, "sums over windows that are not of positions only")
        if any(low != high for low, high in padding):
            raise refuse(place, f"has padding {padding}, which is not the same on both sides")
        sizes, steps, zeros = (tuple(each[i] for i in axes) for each in (window, strides, [low for low, _ in padding]))
        pool = nn.AvgPool(sizes, None if steps == sizes else steps, zeros if any(zeros) else "valid")
        pooled = graph.layer(value, pool, value.labels, shape, place, trained=False)
        return graph.scaled(pooled, float(math.prod(sizes)), place)


def _factor(name: str, numbers: list[Any]) -> float | None:
    """The factor of a product with a constant, or of a quotient by one."""
    if name == "mul":
        return float(next(x for x in numbers if x is not None))
    if name == "div" and numbers[1] is not None:
        return 1 / numbers[1]
    return None


def _power(exponent: int) -> Callable[..., Any]:
    def power(x: Any) -> Any:
        return x**exponent

    return power


def _with_numbers(function: Callable[..., Any], numbers: list[Any], name: str) -> Callable[..., Any]:
    def filled(*values: Any) -> Any:
        rest = iter(values)
        return function(*(next(rest) if x is None else x for x in numbers))

    filled.__name__ = name
    return filled


def _evaluated(equation: Any, operands: list[Any]) -> list[Any]:
    results = equation.primitive.bind(*operands, **equation.params)
    return list(results) if equation.primitive.multiple_results else [results]
