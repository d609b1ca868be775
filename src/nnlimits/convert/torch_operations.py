"""Functions of PyTorch that the code of a model calls, as operations of its graph."""

import functools
import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import torch

from nnlimits import nn
from nnlimits.convert import graph
from nnlimits.convert.conversion import Conversion
from nnlimits.convert.graph import Value, refuse
from nnlimits.convert.rules import by_rule, torch_rule
from nnlimits.convert.torch_modules import layout


class Parameter:
    """A parameter or buffer that the model's own code uses."""

    def __init__(self, name: str, tensor: Any) -> None:
        self.name, self.tensor = name, tensor


class Call:
    """A function of PyTorch, called in the model's own code."""

    def __init__(self, place: str, name: str, shape: Any, values: list[Value], args: Any, kwargs: Any) -> None:
        self.place, self.name, self.shape, self.values = place, name, tuple(shape), values
        self.args, self.kwargs = args, kwargs

    def option(self, position: int, name: str, default: Any) -> Any:
        """An argument by place or by name."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    def result(self) -> Value:
        """What it makes.

        **Raises:** `Unsupported` for a function that has no counterpart.
        """
        rule = _OPERATIONS.get(self.name)
        if rule is None:
            reason = _REASONS.get(self.name, "this operation has no counterpart in the language")
            raise refuse(self.place, f"its code uses {self.name}: {reason}")
        return rule(self)


def _add(call: Call) -> Value:
    if len(call.values) == 2:
        second = call.values[1]
        factor = call.kwargs.get("alpha", 1)
        if "sub" in call.name:
            factor = -factor
        if factor != 1:
            second = graph.scaled(second, float(factor), call.place)
        return graph.elementwise(jnp.add, [call.values[0], second], call.place)
    parameters = [x for x in call.args if isinstance(x, Parameter)]
    if parameters:
        return _positional_embedding(call, parameters[0])
    number = _number(call)
    first = isinstance(call.args[0], Value)
    sign = -1 if "sub" in call.name else 1
    function = (lambda x: x + sign * number) if first else (lambda x: number + sign * x)
    return graph.elementwise(function, call.values, call.place)


def _number(call: Call) -> float:
    """The constant of an operation of a value and a constant."""
    number = next(x for x in call.args if not isinstance(x, Value))
    if not isinstance(number, int | float):
        named = number.name if isinstance(number, Parameter) else f"a {type(number).__name__}"
        raise refuse(
            call.place, f"its code uses {call.name} with {named}, which is no number; put it in a module with a rule"
        )
    return number


def _positional_embedding(call: Call, parameter: Parameter) -> Value:
    """A trained array with an entry for each position and channel."""
    value, tensor = call.values[0], parameter.tensor
    sizes = [[size for size in shape if size != 1] for shape in (tensor.shape, value.shape[1:])]
    whole = sizes[0] == sizes[1]
    if not (whole and tensor.requires_grad and value.positions and "add" in call.name):
        raise refuse(
            call.place,
            f"its code uses {parameter.name}, of shape {tuple(tensor.shape)}, which is no trained embedding of all positions; "
            "put it in a module of its own and register a rule for that",
        )
    std = float(tensor.detach().double().square().mean().sqrt())
    return graph.layer(value, nn.PositionalEmbedding(std), value.labels, value.shape, call.place)


def _count(shape: Sequence[int]) -> int:
    return functools.reduce(operator.mul, shape, 1)


def _multiply(call: Call) -> Value:
    if len(call.values) == 2:
        return graph.elementwise(jnp.multiply if "mul" in call.name else jnp.divide, call.values, call.place)
    number = _number(call)
    if "mul" in call.name:
        return graph.scaled(call.values[0], float(number), call.place)
    if isinstance(call.args[0], Value):
        return graph.scaled(call.values[0], 1 / number, call.place)
    return graph.elementwise(lambda x: number / x, call.values, call.place)


def _power(call: Call) -> Value:
    exponent = _number(call)
    if not isinstance(call.args[0], Value):
        return graph.elementwise(lambda x: exponent**x, call.values, call.place)
    return graph.elementwise(lambda x: x**exponent, call.values, call.place)


def _reshape(call: Call) -> Value:
    return graph.reshaped(call.values[0], call.shape, call.place)


def _transpose(call: Call) -> Value:
    value = call.values[0]
    order = list(range(len(value.shape)))
    first, second = call.args[1] % len(order), call.args[2] % len(order)
    order[first], order[second] = order[second], order[first]
    return graph.transposed(value, order)


def _permute(call: Call) -> Value:
    order = call.args[1] if isinstance(call.args[1], list | tuple) else call.args[1:]
    return graph.transposed(call.values[0], [axis % len(order) for axis in order])


def _mean(call: Call) -> Value:
    value = call.values[0]
    axes = call.option(1, "dim", None)
    if axes is None:
        raise refuse(call.place, "averages over all entries, those of other examples too; give dim=")
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    kept = call.option(2, "keepdim", False)
    averaged = graph.averaged(value, axes, call.place)
    if call.name == "sum":
        averaged = graph.scaled(averaged, float(_count([value.shape[axis] for axis in axes])), call.place)
    return graph.reshaped(averaged, call.shape, call.place) if kept else averaged


def _concatenate(call: Call) -> Value:
    return graph.concatenated(call.values, call.option(1, "dim", 0) % len(call.shape), call.place)


def _same(call: Call) -> Value:
    return call.values[0]


def _dropout(call: Call) -> Value:
    rate, training = call.option(1, "p", 0.5), call.option(2, "training", True)
    word = nn.Dropout(float(rate)) if training is True else nn.Identity()
    return graph.applied(call.values[0], word, graph.ENTRIES, call.shape, call.place)


def _average_pool(call: Call) -> Value:
    names = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
    given = {name: call.option(i + 1, name, None) for i, name in enumerate(names)}
    rank = call.name[-2]
    module = getattr(torch.nn, f"AvgPool{rank}d")(**{name: value for name, value in given.items() if value is not None})
    return _functional(call, module)


def _adaptive_pool(call: Call) -> Value:
    return _functional(call, getattr(torch.nn, f"AdaptiveAvgPool{call.name[-2]}d")(call.option(1, "output_size", None)))


def _layer_norm(call: Call) -> Value:
    if call.option(2, "weight", None) is not None or call.option(3, "bias", None) is not None:
        raise refuse(call.place, "uses parameters of the model's own; use torch.nn.LayerNorm")
    epsilon = call.option(4, "eps", 1e-5)
    return _functional(call, torch.nn.LayerNorm(call.args[1], eps=epsilon, elementwise_affine=False))


def _functional(call: Call, module: Any) -> Value:
    """A function as the module that does the same."""
    word = by_rule(torch_rule, module, Conversion(call.place, "weights", partial(by_rule, torch_rule)))
    return graph.applied(call.values[0], word, layout(module), call.shape, call.place)


def _function(function: Callable[..., Any]) -> Callable[[Call], Value]:
    def rule(call: Call) -> Value:
        options = [*call.args[1:], *(value for name, value in call.kwargs.items() if name not in ("input", "inplace"))]
        if any(not isinstance(option, bool) for option in options):
            raise refuse(
                call.place, f"its code uses {call.name} with arguments {options}; only the plain function is known"
            )
        return graph.elementwise(function, call.values, call.place)

    return rule


def _gelu(call: Call) -> Value:
    word = nn.Gelu(approximate=call.kwargs.get("approximate", "none") == "tanh")
    return graph.elementwise(word, call.values, call.place)


def _leaky_relu(call: Call) -> Value:
    return graph.elementwise(nn.LeakyRelu(call.option(1, "negative_slope", 0.01)), call.values, call.place)


def _elu(call: Call) -> Value:
    return graph.elementwise(nn.Elu(call.option(1, "alpha", 1.0)), call.values, call.place)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": jnp.abs,
    "cos": jnp.cos,
    "erf": jax.scipy.special.erf,
    "exp": jnp.exp,
    "hardtanh": nn.HardTanh(),
    "log1p": jnp.log1p,
    "mish": nn.Mish(),
    "neg": jnp.negative,
    "relu": nn.Relu(),
    "selu": nn.Selu(),
    "sigmoid": nn.Sigmoid(),
    "silu": nn.Silu(),
    "sin": jnp.sin,
    "softplus": nn.Softplus(),
    "sqrt": jnp.sqrt,
    "square": jnp.square,
    "tanh": nn.Tanh(),
}
_OPERATIONS: dict[str, Callable[[Call], Value]] = {name: _function(f) for name, f in _FUNCTIONS.items()}
_OPERATIONS |= {"gelu": _gelu, "leaky_relu": _leaky_relu, "elu": _elu, "pow": _power}
_OPERATIONS |= dict.fromkeys(("add", "iadd", "sub", "isub"), _add)
_OPERATIONS |= dict.fromkeys(("mul", "imul", "truediv", "div"), _multiply)
_OPERATIONS |= dict.fromkeys(("reshape", "view", "flatten", "squeeze", "unsqueeze"), _reshape)
_OPERATIONS |= {"transpose": _transpose, "permute": _permute, "mean": _mean, "sum": _mean}
_OPERATIONS |= dict.fromkeys(("cat", "concat", "concatenate"), _concatenate)
_OPERATIONS |= dict.fromkeys(("contiguous", "clone"), _same)
_OPERATIONS |= dict.fromkeys(("dropout", "dropout1d", "dropout2d", "dropout3d"), _dropout)
_OPERATIONS |= dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), _average_pool)
_OPERATIONS |= dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"), _adaptive_pool)
_OPERATIONS["layer_norm"] = _layer_norm

_PRODUCT = (
    "a product of values (attention) is no layer; put it in a module of its own and register a rule that returns "
    "nn.SelfAttention, nnlimits.convert.torch_rule.register(type)"
)
_MAXIMUM = "max pooling has no kernel in closed form at infinite width; use average pooling"
_REASONS: dict[str, str] = dict.fromkeys(
    ("matmul", "bmm", "einsum", "scaled_dot_product_attention", "softmax"), _PRODUCT
)
_REASONS |= dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool3d", "boolean_dispatch", "fn"), _MAXIMUM)
