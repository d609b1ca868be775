"""Models of several libraries as functions of parameters and examples."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

from nnlimits import nn


def as_function(model: Any, params: PyTree = None) -> tuple[Callable[..., Any], PyTree]:
    """A model as `f, params`, for all functions of this package: `ntk(f, params, x)`.

    Compiled code is kept for each `f`, so make it once and use it for all calls.

    **Arguments:** `model`, one of

    - an expression of `nnlimits.nn`, with its `params` from `init`; dropout is off;
    - an Equinox module, called with one example; its real arrays are the parameters; in inference mode;
    - a Flax NNX module, called with a batch; its `nnx.Param` are the parameters; in evaluation mode;
    - a PyTorch module, called with a batch; its parameters that require gradients; in evaluation mode. Only `ntk` and
      `nngp` take such a function, and return NumPy arrays;
    - a function `f(params, x)`, with `params`.

    The module itself is not changed, and later changes of it are not seen.

    **Raises:** `TypeError` for anything else, and for `params` that are missing or not needed; `ValueError` for an
    Equinox module that keeps a state, as batch normalization does.
    """
    if isinstance(model, nn.Layer):
        return model.apply, _given(params, "a network of nnlimits.nn holds no parameters: pass those from its init")
    libraries = {base.__module__.split(".")[0] for base in type(model).__mro__}
    if "torch" in libraries and hasattr(model, "named_parameters"):
        from nnlimits.empirical.torch_models import torch_function

        return torch_function(_without_params(model, params))
    if "flax" in libraries and hasattr(model, "set_attributes"):
        return _flax_function(_without_params(model, params))
    if isinstance(model, eqx.Module) and params is None:
        return _equinox_function(model)
    if not callable(model):
        raise TypeError(
            "model must be a network of nnlimits.nn, an Equinox, Flax NNX or PyTorch module, or a function; received "
            f"{type(model).__name__}"
        )
    return model, _given(params, "a function needs its parameters: as_function(f, params)")


def _given(params: PyTree, problem: str) -> PyTree:
    if params is None:
        raise TypeError(f"params is missing; {problem}")
    return params


def _without_params(model: Any, params: PyTree) -> Any:
    if params is not None:
        raise TypeError(f"params must be left out for a {type(model).__name__}, which holds its own")
    return model


def _equinox_function(model: eqx.Module) -> tuple[Callable[..., Any], PyTree]:
    for leaf in jax.tree.leaves(model, is_leaf=_keeps_state):
        if _keeps_state(leaf):
            raise ValueError(
                f"model contains {type(leaf).__name__}, which keeps a state, so its outputs are no function of parameters "
                "and one example. Replace it, for example by eqx.nn.LayerNorm, or pass a function f(params, x) that "
                "holds the state fixed"
            )
    params, static = eqx.partition(eqx.nn.inference_mode(model), eqx.is_inexact_array)

    def f(params: PyTree, x: Any) -> Any:
        return jax.vmap(eqx.combine(params, static))(x)

    return f, params


def _keeps_state(node: Any) -> bool:
    # a Sequential counts as stateful for Equinox, and is what its layers are
    return isinstance(node, eqx.nn.StatefulLayer | eqx.nn.StateIndex) and not isinstance(node, eqx.nn.Sequential)


def _flax_function(model: Any) -> tuple[Callable[..., Any], PyTree]:
    from flax import nnx

    copied = nnx.clone(model)
    copied.eval()
    structure, params, rest = nnx.split(copied, nnx.Param, ...)

    def f(params: PyTree, x: Any) -> Any:
        return nnx.merge(structure, params, rest)(x)

    return f, params
