"""The graph of a PyTorch model with a `forward` of its own, traced by `torch.fx`."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.fx.passes.shape_prop import ShapeProp

from nnlimits import nn
from nnlimits.convert import graph
from nnlimits.convert.conversion import USED_TWICE, Conversion, Unsupported
from nnlimits.convert.expression import expression
from nnlimits.convert.graph import Value, refuse
from nnlimits.convert.rules import has_rule, torch_rule
from nnlimits.convert.torch_modules import CONTAINERS, layout
from nnlimits.convert.torch_operations import Call, Parameter


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
            return Parameter(node.target, functools.reduce(getattr, node.target.split("."), self.module))
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
        return Call(place, name, shape, values, args, kwargs).result()

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


class _Sizes:
    """Something made of the shapes of values; shapes are known, so it is never looked at."""

    def __getitem__(self, item: Any) -> "_Sizes":
        return self


def _shape_of(node: Any) -> tuple[int, ...] | None:
    meta = node.meta.get("tensor_meta")
    return tuple(meta.shape) if hasattr(meta, "shape") else None


def _flat(items: Any) -> list[Any]:
    return [leaf for item in items for leaf in (_flat(item) if isinstance(item, list | tuple) else [item])]
