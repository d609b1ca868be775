"""The graph of a PyTorch model with a `forward` of its own, traced by `torch.fx`."""

import dataclasses
import functools
import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import torch
from torch.fx.passes.shape_prop import ShapeProp

from nnlimits import nn
from nnlimits.convert import graph
from nnlimits.convert.conversion import USED_TWICE, Conversion, Unsupported
from nnlimits.convert.expression import expression
from nnlimits.convert.graph import Value, refuse
from nnlimits.convert.rules import by_rule, has_rule, torch_rule
from nnlimits.convert.torch_modules import CONTAINERS, layout


class _Tracer(torch.fx.Tracer):
    """Does not look into modules that have a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[str] = []

    def call_module(self, m: Any, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Remember which module is being traced."""
        self.inside.append(self.path_of_module(m))
        result = super().call_module(m, forward, args, kwargs)
        self.inside.pop()
        return result

    def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
        if isinstance(m, CONTAINERS):
            return False
        return has_rule(torch_rule, m) or m.__module__.startswith("torch.nn")


def traced(module: Any, conversion: Conversion, input_shape: tuple[int, ...]) -> nn.Layer:
    """A model by its traced `forward`, its input read in the first of several ways that succeeds."""
    tracer = _Tracer()
    try:
        program = torch.fx.GraphModule(module, tracer.trace(module))
    except (TypeError, ValueError, RuntimeError) as error:  # that of torch.fx is a ValueError
        path = ".".join([conversion.path, *tracer.inside[-1:]])
        part = module.get_submodule(tracer.inside[-1]) if tracer.inside else module
        raise Unsupported(
            f"{path}: torch.fx cannot trace the forward of {type(part).__name__}: {error}. Register a rule for it, "
            "nnlimits.convert.torch_rule.register(type), that returns the layer of nnlimits.nn it is"
        ) from error
    tokens = any(isinstance(part, torch.nn.Embedding) for part in module.modules())
    example = torch.zeros(
        (2, *input_shape), dtype=torch.long if tokens else next(_floats(module), torch.zeros(())).dtype
    )
    try:
        with torch.no_grad():
            ShapeProp(program).propagate(example)
    except RuntimeError as error:
        raise ValueError(f"input_shape={input_shape}: the model does not take such examples: {error}") from error
    problems = []
    for start in graph.inputs(input_shape, (2,), tokens, (graph.LAST, graph.FIRST)):
        reader = _Reader(module, conversion)
        try:
            end = reader.read(program.graph, start)
            return conversion.sequence(expression(start.node, end.node) or [nn.Identity()])
        except Unsupported as problem:
            problems.append((len(reader.values), problem))
    raise max(problems, key=lambda entry: entry[0])[1]


def _floats(module: Any) -> Any:
    return (p for p in module.parameters() if p.is_floating_point())


class _Reader:
    def __init__(self, module: Any, conversion: Conversion) -> None:
        self.module, self.conversion = module, conversion
        self.used: set[int] = set()
        self.values: dict[Any, Any] = {}

    def read(self, program: Any, start: Value) -> Value:
        """The output of the program."""
        for node in program.nodes:
            if node.op == "placeholder":
                if any(isinstance(value, Value) for value in self.values.values()):
                    if not node.args:
                        raise refuse(self.conversion.path, "takes several inputs; a network of the language has one")
                    self.values[node] = node.args[0]
                else:
                    self.values[node] = start
            elif node.op == "output":
                result = self._argument(node.args[0])
                if not isinstance(result, Value):
                    raise refuse(self.conversion.path, "does not return one tensor that depends on its input")
                return result
            else:
                self.values[node] = self._result(node)
        raise AssertionError("a program has an output")

    def _argument(self, argument: Any) -> Any:
        if isinstance(argument, torch.fx.Node):
            return self.values[argument]
        if isinstance(argument, list | tuple):
            return type(argument)(self._argument(each) for each in argument)
        return argument

    def _result(self, node: Any) -> Any:
        place = f"{self.conversion.path} ({node.name})"
        if node.op == "get_attr":
            return _Parameter(node.target, functools.reduce(getattr, node.target.split("."), self.module))
        shape = _shape_of(node)
        args = tuple(map(self._argument, node.args))
        kwargs = {name: self._argument(value) for name, value in node.kwargs.items()}
        if node.op == "call_module":
            return self._module(node.target, args[0], shape)
        values = [x for x in _flat((*args, *kwargs.values())) if isinstance(x, Value)]
        if shape is None or (not values and node.op == "call_function"):
            return (
                _Sizes() if values or any(isinstance(x, _Sizes) for x in _flat(args)) else node.target(*args, **kwargs)
            )
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        name = name.strip("_")
        rule = _OPERATIONS.get(name)
        if rule is None:
            reason = _REASONS.get(name, "this operation has no counterpart in the language")
            raise refuse(place, f"its code uses {name}: {reason}")
        return rule(_Call(place, name, shape, values, args, kwargs))

    def _module(self, name: str, value: Any, shape: Any) -> Any:
        path = f"{self.conversion.path}.{name}"
        module = self.module.get_submodule(name)
        if not isinstance(value, Value):
            raise refuse(path, "receives an input that is no value of the model")
        conversion = dataclasses.replace(self.conversion, path=path, positions=value.positions)
        if isinstance(module, torch.nn.Flatten):
            return graph.reshaped(value, shape, path)
        kind = layout(module)
        if id(module) in self.used and kind != graph.ENTRIES:
            raise conversion.refuse(module, USED_TWICE)
        self.used.add(id(module))
        if isinstance(module, torch.nn.BatchNorm1d):
            kind = graph.LAST if value.labels[-1] == graph.CHANNELS and value.positions == 0 else graph.FIRST
        return graph.applied(
            value, conversion.rule(module, conversion), kind, shape, f"{path} ({type(module).__name__})"
        )


class _Parameter:
    """A parameter or buffer that the model's own code uses."""

    def __init__(self, name: str, tensor: Any) -> None:
        self.name, self.tensor = name, tensor


class _Sizes:
    """Something made of the shapes of values; shapes are known, so it is never looked at."""

    def __getitem__(self, item: Any) -> "_Sizes":
        return self


class _Call:
    """A function of PyTorch, called in the model's own code."""

    def __init__(self, place: str, name: str, shape: Any, values: list[Value], args: Any, kwargs: Any) -> None:
        self.place, self.name, self.shape, self.values = place, name, tuple(shape), values
        self.args, self.kwargs = args, kwargs

    def option(self, position: int, name: str, default: Any) -> Any:
        """An argument by place or by name."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)


def _shape_of(node: Any) -> tuple[int, ...] | None:
    meta = node.meta.get("tensor_meta")
    return tuple(meta.shape) if hasattr(meta, "shape") else None


def _flat(items: Any) -> list[Any]:
    return [leaf for item in items for leaf in (_flat(item) if isinstance(item, list | tuple) else [item])]


def _add(call: _Call) -> Value:
    if len(call.values) == 2:
        second = call.values[1]
        factor = call.kwargs.get("alpha", 1)
        if "sub" in call.name:
            factor = -factor
        if factor != 1:
            second = graph.scaled(second, float(factor), call.place)
        return graph.elementwise(jnp.add, [call.values[0], second], call.place)
    parameters = [x for x in call.args if isinstance(x, _Parameter)]
    if parameters:
        return _positional_embedding(call, parameters[0])
    number = _number(call)
    first = isinstance(call.args[0], Value)
    sign = -1 if "sub" in call.name else 1
    function = (lambda x: x + sign * number) if first else (lambda x: number + sign * x)
    return graph.elementwise(function, call.values, call.place)


def _number(call: _Call) -> float:
    """The constant of an operation of a value and a constant."""
    number = next(x for x in call.args if not isinstance(x, Value))
    if not isinstance(number, int | float):
        named = number.name if isinstance(number, _Parameter) else f"a {type(number).__name__}"
        raise refuse(
            call.place, f"its code uses {call.name} with {named}, which is no number; put it in a module with a rule"
        )
    return number


def _positional_embedding(call: _Call, parameter: _Parameter) -> Value:
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


def _multiply(call: _Call) -> Value:
    if len(call.values) == 2:
        return graph.elementwise(jnp.multiply if "mul" in call.name else jnp.divide, call.values, call.place)
    number = _number(call)
    if "mul" in call.name:
        return graph.scaled(call.values[0], float(number), call.place)
    if isinstance(call.args[0], Value):
        return graph.scaled(call.values[0], 1 / number, call.place)
    return graph.elementwise(lambda x: number / x, call.values, call.place)


def _power(call: _Call) -> Value:
    exponent = _number(call)
    if not isinstance(call.args[0], Value):
        return graph.elementwise(lambda x: exponent**x, call.values, call.place)
    return graph.elementwise(lambda x: x**exponent, call.values, call.place)


def _reshape(call: _Call) -> Value:
    return graph.reshaped(call.values[0], call.shape, call.place)


def _transpose(call: _Call) -> Value:
    value = call.values[0]
    order = list(range(len(value.shape)))
    first, second = call.args[1] % len(order), call.args[2] % len(order)
    order[first], order[second] = order[second], order[first]
    return graph.transposed(value, order)


def _permute(call: _Call) -> Value:
    order = call.args[1] if isinstance(call.args[1], list | tuple) else call.args[1:]
    return graph.transposed(call.values[0], [axis % len(order) for axis in order])


def _mean(call: _Call) -> Value:
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


def _concatenate(call: _Call) -> Value:
    return graph.concatenated(call.values, call.option(1, "dim", 0) % len(call.shape), call.place)


def _same(call: _Call) -> Value:
    return call.values[0]


def _dropout(call: _Call) -> Value:
    rate, training = call.option(1, "p", 0.5), call.option(2, "training", True)
    word = nn.Dropout(float(rate)) if training is True else nn.Identity()
    return graph.applied(call.values[0], word, graph.ENTRIES, call.shape, call.place)


def _average_pool(call: _Call) -> Value:
    names = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
    given = {name: call.option(i + 1, name, None) for i, name in enumerate(names)}
    rank = call.name[-2]
    module = getattr(torch.nn, f"AvgPool{rank}d")(**{name: value for name, value in given.items() if value is not None})
    return _functional(call, module)


def _adaptive_pool(call: _Call) -> Value:
    return _functional(call, getattr(torch.nn, f"AdaptiveAvgPool{call.name[-2]}d")(call.option(1, "output_size", None)))


def _layer_norm(call: _Call) -> Value:
    if call.option(2, "weight", None) is not None or call.option(3, "bias", None) is not None:
        raise refuse(call.place, "uses parameters of the model's own; use torch.nn.LayerNorm")
    epsilon = call.option(4, "eps", 1e-5)
    return _functional(call, torch.nn.LayerNorm(call.args[1], eps=epsilon, elementwise_affine=False))


def _functional(call: _Call, module: Any) -> Value:
    """A function as the module that does the same."""
    word = by_rule(torch_rule, module, Conversion(call.place, "weights", partial(by_rule, torch_rule)))
    return graph.applied(call.values[0], word, layout(module), call.shape, call.place)


def _function(function: Callable[..., Any]) -> Callable[[_Call], Value]:
    def rule(call: _Call) -> Value:
        options = [*call.args[1:], *(value for name, value in call.kwargs.items() if name not in ("input", "inplace"))]
        if any(not isinstance(option, bool) for option in options):
            raise refuse(
                call.place, f"its code uses {call.name} with arguments {options}; only the plain function is known"
            )
        return graph.elementwise(function, call.values, call.place)

    return rule


def _gelu(call: _Call) -> Value:
    word = nn.Gelu(approximate=call.kwargs.get("approximate", "none") == "tanh")
    return graph.elementwise(word, call.values, call.place)


def _leaky_relu(call: _Call) -> Value:
    return graph.elementwise(nn.LeakyRelu(call.option(1, "negative_slope", 0.01)), call.values, call.place)


def _elu(call: _Call) -> Value:
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
_OPERATIONS: dict[str, Callable[[_Call], Value]] = {name: _function(f) for name, f in _FUNCTIONS.items()}
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
