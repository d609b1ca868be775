"""The registries of rules, one for each library: `rule(module, conversion) -> nn.Layer`, by the type of the module."""

from functools import singledispatch
from typing import Any

from nnlimits import nn
from nnlimits.convert.conversion import Conversion, NeedsTracing


@singledispatch
def torch_rule(module: Any, conversion: Conversion) -> nn.Layer:
    """The layer that a PyTorch module is; add types of your own by `torch_rule.register`."""
    raise no_rule(module, conversion, "torch_rule", "forward")


@singledispatch
def equinox_rule(module: Any, conversion: Conversion) -> nn.Layer:
    """The layer that an Equinox module is; add types of your own by `equinox_rule.register`."""
    raise no_rule(module, conversion, "equinox_rule", "__call__")


@singledispatch
def flax_rule(module: Any, conversion: Conversion) -> nn.Layer:
    """The layer that a Flax NNX module is; add types of your own by `flax_rule.register`."""
    raise no_rule(module, conversion, "flax_rule", "__call__")


def no_rule(module: Any, conversion: Conversion, registry: str, method: str) -> NeedsTracing:
    """The error of a module without a rule."""
    name = type(module).__name__ if not hasattr(module, "__qualname__") else module.__qualname__
    return NeedsTracing(
        f"{conversion.path}: {name} has no rule of conversion. If its {method} is made of layers and operations that have one, "
        "give input_shape=, the shape of one example as the model takes it, and it is traced; otherwise register a rule, "
        f"nnlimits.convert.{registry}.register(type), that returns the layer of nnlimits.nn it is"
    )


def has_rule(registry: Any, module: Any) -> bool:
    """Whether a registry knows the type of a module."""
    return registry.dispatch(type(module)) is not registry.dispatch(object)
