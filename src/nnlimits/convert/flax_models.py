"""Flax NNX models in the language."""

from typing import Any

from nnlimits import nn
from nnlimits.convert import graph
from nnlimits.convert.entry import check_untied, checked, expressed
from nnlimits.convert.jax_modules import arrays, traced
from nnlimits.convert.rules import flax_rule, has_rule


def from_flax(module: Any, input_shape: Any = None, *, scales: str = "weights") -> nn.Sequential:
    """A Flax NNX module as an expression of `nnlimits.nn`, in the standard parameterization and with the module's widths.

    The NTK of the expression is the limit of the module's own empirical NTK, all `nnx.Param` trained. Inputs have channels
    last, as in the language.

    **Arguments:** `module`, in the mode it is to have: call its `eval()` first, for dropout to be left out and batch
    normalization to take its statistics; `input_shape`, the shape of one example, without the batch axis, needed where a
    `__call__` of your own must be traced; `scales`, as of `from_equinox`.

    **Returns:** a `nn.Sequential`.

    **Raises:** as `from_equinox`; `ImportError` without Flax.
    """
    try:
        from flax import nnx
    except ImportError as error:
        raise ImportError('from_flax needs Flax; install it with pip install "nnlimits[flax]"') from error
    from nnlimits.convert.flax_modules import CONTAINERS, layout

    if not isinstance(module, nnx.Module):
        raise TypeError(f"module must be a Flax NNX module; received {type(module).__name__}")
    conversion, shape = checked(flax_rule, input_shape, scales)

    def is_leaf(part: Any) -> bool:
        return isinstance(part, nnx.Module) and not isinstance(part, CONTAINERS) and has_rule(flax_rule, part)

    check_untied(arrays(module, is_leaf, lambda part: isinstance(part, nnx.Param)))

    def call(part: Any, x: Any) -> Any:
        return x if isinstance(part, nnx.Dropout) else part(x)

    def by_tracing(shape: tuple[int, ...]) -> nn.Layer:
        tokens = any(isinstance(part, nnx.Embed) for _, part in nnx.iter_modules(module))
        starts = graph.inputs(shape, (2,), tokens, (graph.LAST,))
        return traced(module, conversion, starts, is_leaf, call, layout)

    return expressed(module, conversion, shape, by_tracing)
