"""Rules of conversion of Equinox modules."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from nnlimits import nn
from nnlimits.convert import graph, windows
from nnlimits.convert.conversion import ATTENTION, Conversion
from nnlimits.convert.convolutions import UNIFORM, convolution, transposed_convolution
from nnlimits.convert.jax_modules import function_word
from nnlimits.convert.rules import equinox_rule

CONTAINERS = (eqx.nn.Sequential, eqx.nn.MLP, eqx.nn.Lambda)
_ENTRIES = (eqx.nn.Dropout, eqx.nn.Identity)
_LAST = (eqx.nn.Linear, eqx.nn.LayerNorm)
_FIRST = (eqx.nn.Conv, eqx.nn.ConvTranspose, eqx.nn.Pool, eqx.nn.AdaptivePool, eqx.nn.GroupNorm)


def layout(module: Any) -> str:
    """How a module takes its input."""
    kinds = {graph.ENTRIES: _ENTRIES, graph.LAST: _LAST, graph.FIRST: _FIRST, graph.TOKENS: eqx.nn.Embedding}
    return next((kind for kind, types in kinds.items() if isinstance(module, types)), graph.ANY)


@equinox_rule.register
def _sequential(module: eqx.nn.Sequential, conversion: Conversion) -> nn.Layer:
    return nn.Sequential(*(conversion.child(f"layers[{i}]", layer) for i, layer in enumerate(module.layers)))


@equinox_rule.register
def _mlp(module: eqx.nn.MLP, conversion: Conversion) -> nn.Layer:
    if module.scan:
        raise conversion.refuse(module, "keeps its layers in one array (scan=True); build it with scan=False")
    if "scalar" in (module.in_size, module.out_size):
        raise conversion.refuse(module, "maps scalars; the language maps vectors. Use sizes of 1")
    row: list[nn.Layer] = []
    for i, layer in enumerate(module.layers):
        function: Any = module.activation if i < len(module.layers) - 1 else module.final_activation
        row += [conversion.child(f"layers[{i}]", layer), _activation(module, function, conversion)]
    return nn.Sequential(*(layer for layer in row if not isinstance(layer, nn.Identity)))


def _activation(module: Any, function: Any, conversion: Conversion) -> nn.Layer:
    if any(map(eqx.is_inexact_array, jax.tree.leaves(function))):
        raise conversion.refuse(module, f"has a trained activation, {type(function).__name__}; the language has none")
    return function_word(function, conversion)


@equinox_rule.register
def _lambda(module: eqx.nn.Lambda, conversion: Conversion) -> nn.Layer:
    return function_word(module.fn, conversion)


@equinox_rule.register
def _identity(module: eqx.nn.Identity, conversion: Conversion) -> nn.Layer:
    return nn.Identity()


@equinox_rule.register
def _dropout(module: eqx.nn.Dropout, conversion: Conversion) -> nn.Layer:
    return nn.Identity() if module.inference else nn.Dropout(float(module.p))


@equinox_rule.register
def _linear(module: eqx.nn.Linear, conversion: Conversion) -> nn.Layer:
    if "scalar" in (module.in_features, module.out_features):
        raise conversion.refuse(module, "maps scalars; the language maps vectors. Use sizes of 1")
    fan_out, fan_in = module.weight.shape
    w_std = conversion.w_std(module.weight, fan_in, fan_out, UNIFORM)
    return nn.Dense(fan_out, w_std, conversion.b_std(module.bias, UNIFORM / math.sqrt(fan_in)))


@equinox_rule.register
def _embedding(module: eqx.nn.Embedding, conversion: Conversion) -> nn.Layer:
    return nn.Embedding(*module.weight.shape, w_std=conversion.w_std(module.weight, 1, 1, 1.0))


@equinox_rule.register
def _conv(module: eqx.nn.Conv, conversion: Conversion) -> nn.Layer:
    return convolution(module, conversion, module.weight, module.bias, _padding(module, conversion))


def _padding(module: eqx.nn.Conv, conversion: Conversion) -> Any:
    padding, mode = module.padding, module.padding_mode.upper()
    if mode not in ("ZEROS", "CIRCULAR"):
        raise conversion.refuse(module, f"pads by padding_mode={mode!r}; the language has zeros and rings ('CIRCULAR')")
    if padding == "VALID":
        return "valid"
    if mode == "CIRCULAR":
        pairs = padding if padding != "SAME" else [(k - 1) * d // 2 for k, d in _axes(module)]
        return windows.circular(module, conversion, pairs, module.kernel_size, module.dilation)
    if padding == "SAME":
        return "same"
    if isinstance(padding, str):
        raise conversion.refuse(module, f"has padding={padding!r}; use 'SAME', or as many zeros on both sides")
    return windows.zeros(module, conversion, padding, module.kernel_size, module.stride, module.dilation)


def _axes(module: eqx.nn.Conv) -> list[tuple[int, int]]:
    return list(zip(module.kernel_size, module.dilation, strict=True))


@equinox_rule.register
def _conv_transpose(module: eqx.nn.ConvTranspose, conversion: Conversion) -> nn.Layer:
    plain = not isinstance(module.padding, str) and module.padding_mode.upper() == "ZEROS"
    if not plain or any(low != high for low, high in module.padding):
        raise conversion.refuse(module, "is padded in another way than by a number; that has no word")
    low = [pair[0] for pair in module.padding]
    return transposed_convolution(module, conversion, module.weight, module.bias, low, drawn_by=module.in_channels)


@equinox_rule.register
def _layer_norm(module: eqx.nn.LayerNorm, conversion: Conversion) -> nn.Layer:
    axes = tuple(range(len(module.shape))) if len(module.shape) > 1 else (-1,)
    return conversion.normalization(module, module.eps, axes, module.weight, module.bias)


@equinox_rule.register
def _pool(module: eqx.nn.Pool, conversion: Conversion) -> nn.Layer:
    if not isinstance(module, eqx.nn.AvgPool1d | eqx.nn.AvgPool2d | eqx.nn.AvgPool3d):
        raise conversion.refuse(module, "has no kernel in closed form at infinite width; use average pooling")
    if module.use_ceil:
        raise conversion.refuse(module, "rounds up the number of windows (use_ceil=True); use use_ceil=False")
    ones = (1,) * len(module.kernel_size)
    padding = windows.zeros(module, conversion, module.padding, module.kernel_size, module.stride, ones)
    window, stride = tuple(module.kernel_size), tuple(module.stride)
    return nn.AvgPool(window, None if stride == window else stride, padding)


@equinox_rule.register
def _adaptive_pool(module: eqx.nn.AdaptivePool, conversion: Conversion) -> nn.Layer:
    if module.operation is not jnp.mean or any(size != 1 for size in module.target_shape):
        raise conversion.refuse(module, "is no average over all positions; use AvgPool, or a target shape of 1")
    return nn.GlobalAvgPool()


@equinox_rule.register
def _attention(module: eqx.nn.MultiheadAttention, conversion: Conversion) -> nn.Layer:
    raise conversion.refuse(module, ATTENTION)
