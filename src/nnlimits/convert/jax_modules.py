"""What converting Equinox and Flax models has in common: functions in the place of layers, and tracing."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from nnlimits import nn
from nnlimits.convert import graph
from nnlimits.convert.conversion import USED_TWICE, Conversion, NeedsTracing, Unsupported
from nnlimits.convert.expression import expression
from nnlimits.convert.graph import Value
from nnlimits.convert.jax_graph import Leaf, Leaves, trace
from nnlimits.convert.recognition import word_of


def function_word(function: Callable[..., Any], conversion: Conversion) -> nn.Layer:
    """The word for a JAX function in the place of a layer."""
    if function is jnp.ravel:
        return nn.Flatten()
    word = word_of(function)
    if word is None:
        name = getattr(function, "__name__", repr(function))
        raise NeedsTracing(
            f"{conversion.path}: the function {name} does not act on each entry by itself; give input_shape=, the shape of one "
            "example as the model takes it, and it is traced"
        )
    return word


def traced(
    model: Any,
    conversion: Conversion,
    starts: Sequence[Value],
    is_leaf: Callable[[Any], bool],
    call: Callable[[Any, Any], Any],
    layout: Callable[[Any], str],
) -> nn.Layer:
    """A model whose own code is traced, its input read in the first of several ways that succeeds.

    **Arguments:** `is_leaf`, whether a module is converted by its rule; `call`, which calls a module; `layout`, how a module
    takes its input.
    """
    leaves: list[tuple[str, Any]] = []
    problems: list[tuple[int, Unsupported]] = []
    for path, module in jax.tree_util.tree_leaves_with_path(model, is_leaf=is_leaf):
        if is_leaf(module):
            leaves.append((conversion.path + jax.tree_util.keystr(path), module))
    numbers = iter(range(len(leaves)))
    replaced = jax.tree.map(lambda m: Leaf(m, next(numbers), call) if is_leaf(m) else m, model, is_leaf=is_leaf)
    for start in starts:
        dtype = jnp.int32 if graph.CHANNELS not in start.labels else jnp.float32
        found = _Leaves(conversion, leaves, layout)
        try:
            end = trace(replaced, start, dtype, found, conversion.path)
            return conversion.sequence(expression(start.node, end.node) or [nn.Identity()])
        except Unsupported as problem:
            problems.append((found.progress, problem))
    raise max(problems, key=lambda entry: entry[0])[1]


def arrays(
    model: Any, is_leaf: Callable[[Any], bool], is_parameter: Callable[[Any], bool]
) -> Iterator[tuple[str, Any]]:
    """The parameters of all modules that are converted by rules, with the places of the modules."""
    for path, module in jax.tree_util.tree_leaves_with_path(model, is_leaf=is_leaf):
        for parameter in jax.tree.leaves(module, is_leaf=is_parameter):
            if is_parameter(parameter):
                yield f"model{jax.tree_util.keystr(path)}", parameter


class _Leaves(Leaves):
    """The modules with rules, each of which is applied once."""

    def __init__(self, conversion: Conversion, leaves: list[tuple[str, Any]], layout: Callable[[Any], str]) -> None:
        self.conversion, self.leaves, self.layout = conversion, leaves, layout
        self.used: set[int] = set()

    def apply(self, number: int, value: Value, shape: tuple[int, ...]) -> Value:
        path, module = self.leaves[number]
        conversion = dataclasses.replace(self.conversion, path=path, positions=value.positions)
        layout = self.layout(module)
        if number in self.used and layout != graph.ENTRIES:
            raise conversion.refuse(module, USED_TWICE)
        self.used.add(number)
        return graph.applied(
            value, conversion.rule(module, conversion), layout, shape, f"{path} ({type(module).__name__})"
        )
