"""The registries of rules, one for each library: `rule(module, conversion) -> nn.Layer`, by the type of the module."""

from functools import singledispatch
from typing import Any

from nnlimits import nn
from nnlimits.convert.conversion import Conversion, NeedsTracing, Unsupported

_LIBRARIES = {"torch": "forward", "equinox": "__call__", "flax": "__call__"}
"""What a type of one's own that inherits from one of the library must leave as it is, to be the same layer."""


@singledispatch
def torch_rule(module: Any, conversion: Conversion) -> nn.Layer:
    """The layer that a PyTorch module is; add types of your own by `torch_rule.register`."""
    if type(module).__module__.startswith("torch.nn"):
        raise conversion.refuse(
            module,
            "has no counterpart in the language; put it in a module of your own and register a rule for that, "
            "nnlimits.convert.torch_rule.register(type), if you know its limit",
        )
    raise _no_rule(module, conversion, "torch_rule", "forward")


@singledispatch
def equinox_rule(module: Any, conversion: Conversion) -> nn.Layer:
    """The layer that an Equinox module is; add types of your own by `equinox_rule.register`."""
    raise _no_rule(module, conversion, "equinox_rule", "__call__")


@singledispatch
def flax_rule(module: Any, conversion: Conversion) -> nn.Layer:
    """The layer that a Flax NNX module is; add types of your own by `flax_rule.register`."""
    raise _no_rule(module, conversion, "flax_rule", "__call__")


def _no_rule(module: Any, conversion: Conversion, registry: str, method: str) -> Unsupported:
    return NeedsTracing(
        f"{conversion.path}: {type(module).__name__} has no rule of conversion. If its {method} is made of layers and operations "
        "that have one, give input_shape=, the shape of one example as the model takes it, and it is traced; otherwise register "
        f"a rule, nnlimits.convert.{registry}.register(type), that returns the layer of nnlimits.nn it is"
    )


def has_rule(registry: Any, module: Any) -> bool:
    """Whether a registry has a rule for a module: for its type, or for one that it inherits its function from."""
    known = next((base for base in type(module).__mro__ if base in registry.registry and base is not object), None)
    if known is None:
        return False
    library = known.__module__.split(".")[0]
    if library not in _LIBRARIES or type(module).__module__.split(".")[0] == library:
        return True
    return getattr(type(module), _LIBRARIES[library]) is getattr(known, _LIBRARIES[library])


def by_rule(registry: Any, module: Any, conversion: Conversion) -> nn.Layer:
    """The layer that a module is, by its rule.

    **Raises:** `NotImplementedError` if it has none: a type of the library with a function of its own has none either.
    """
    return (registry if has_rule(registry, module) else registry.dispatch(object))(module, conversion)
