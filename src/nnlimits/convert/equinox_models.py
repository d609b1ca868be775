"""Equinox models in the language."""

from typing import Any

import equinox as eqx
import jax

from nnlimits import nn
from nnlimits.convert import graph
from nnlimits.convert.entry import check_untied, checked, expressed
from nnlimits.convert.equinox_modules import CONTAINERS, layout
from nnlimits.convert.jax_modules import arrays, traced
from nnlimits.convert.rules import equinox_rule, has_rule


def from_equinox(module: Any, input_shape: Any = None, *, scales: str = "weights") -> nn.Sequential:
    """An Equinox module as an expression of `nnlimits.nn`, in the standard parameterization and with the module's widths.

    The NTK of the expression is the limit of the module's own empirical NTK, all its arrays trained. Convolutions of Equinox
    have channels first, those of the language channels last: give the expression `nnlimits.convert.channels_last(x)`.

    **Arguments:** `module`, in the mode it is to have: `eqx.nn.Dropout` is left out where `inference` is set; `input_shape`, the
    shape of one example as the module takes it, needed where a `__call__` of your own must be traced; `scales`, `"weights"` to
    read the scales of weights and biases from their values, `"initializer"` for those of the initializer that they were
    drawn by.

    **Returns:** a `nn.Sequential`.

    **Raises:** `NotImplementedError` for a module without a counterpart, with its place in the model; `ValueError` for weights
    that no known initializer draws; `TypeError` for anything that is no Equinox module.
    """
    if not isinstance(module, eqx.Module) or isinstance(module, nn.Layer):
        raise TypeError(f"module must be an Equinox module; received {type(module).__name__}")
    conversion, shape = checked(equinox_rule, input_shape, scales)
    check_untied(arrays(module, _is_leaf, eqx.is_inexact_array))

    def by_tracing(shape: tuple[int, ...]) -> nn.Layer:
        tokens = any(isinstance(each, eqx.nn.Embedding) for each in _modules(module))
        starts = graph.inputs(shape, (), tokens, (graph.LAST, graph.FIRST))
        return traced(module, conversion, starts, _is_leaf, _call, layout)

    return expressed(module, conversion, shape, by_tracing)


def _is_leaf(module: Any) -> bool:
    return isinstance(module, eqx.Module) and not isinstance(module, CONTAINERS) and has_rule(equinox_rule, module)


def _call(module: Any, x: Any) -> Any:
    if isinstance(module, eqx.nn.Dropout):
        return x
    return module(x)


def _modules(module: Any) -> list[Any]:
    return jax.tree.leaves(module, is_leaf=_is_leaf)
