"""Rules of conversion of Flax NNX modules."""

import dataclasses
import functools
import inspect
import math
from typing import Any

import numpy as np
from flax import nnx

from nnlimits import nn
from nnlimits.convert import graph, windows
from nnlimits.convert.conversion import ATTENTION, Conversion
from nnlimits.convert.jax_modules import function_word
from nnlimits.convert.rules import flax_rule

CONTAINERS = (nnx.Sequential,)
_ENTRIES = (nnx.Dropout,)
_LAST = (nnx.Linear, nnx.LayerNorm, nnx.BatchNorm)
_IMAGE = (nnx.Conv, nnx.ConvTranspose)


def layout(module: Any) -> str:
    """How a module takes its input."""
    kinds = {graph.ENTRIES: _ENTRIES, graph.LAST: _LAST, graph.IMAGE: _IMAGE, graph.TOKENS: nnx.Embed}
    return next((kind for kind, types in kinds.items() if isinstance(module, types)), graph.ANY)


def _array(variable: Any) -> np.ndarray | None:
    return None if variable is None else np.asarray(variable[...])


@flax_rule.register
def _sequential(module: nnx.Sequential, conversion: Conversion) -> nn.Layer:
    return nn.Sequential(*(_part(layer, i, conversion) for i, layer in enumerate(module.layers)))


def _part(layer: Any, number: int, conversion: Conversion) -> nn.Layer:
    if isinstance(layer, nnx.Module):
        return conversion.child(f"layers[{number}]", layer)
    here = dataclasses.replace(conversion, path=f"{conversion.path}.layers[{number}]")
    if isinstance(layer, functools.partial) and layer.func in (nnx.avg_pool, nnx.max_pool):
        return _pool(layer, here)
    return function_word(layer, here)


def _pool(layer: Any, conversion: Conversion) -> nn.Layer:
    """A `functools.partial` of `nnx.avg_pool`."""
    if layer.func is nnx.max_pool:
        raise conversion.refuse(layer, "of max_pool has no kernel in closed form at infinite width; use avg_pool")
    given = inspect.signature(nnx.avg_pool).bind(None, *layer.args, **layer.keywords)
    given.apply_defaults()
    window = tuple(given.arguments["window_shape"])
    stride = tuple(given.arguments["strides"] or (1,) * len(window))
    padding, ones = given.arguments["padding"], (1,) * len(window)
    padding = (
        padding.lower() if isinstance(padding, str) else windows.zeros(layer, conversion, padding, window, stride, ones)
    )
    if padding not in ("valid", 0) and not given.arguments["count_include_pad"]:
        raise conversion.refuse(layer, "of avg_pool leaves padding out of averages; use count_include_pad=True")
    return nn.AvgPool(window, None if stride == window else stride, padding)


@flax_rule.register
def _dropout(module: nnx.Dropout, conversion: Conversion) -> nn.Layer:
    return nn.Identity() if module.deterministic else nn.Dropout(float(module.rate))


@flax_rule.register
def _linear(module: nnx.Linear, conversion: Conversion) -> nn.Layer:
    weight = _array(module.kernel)
    assert weight is not None
    fan_in, fan_out = weight.shape
    return nn.Linear(
        fan_out,
        w_std=conversion.w_std(weight, fan_in, fan_out, 1.0),
        b_std=conversion.b_std(_array(module.bias), 0.0),
    )


@flax_rule.register
def _embed(module: nnx.Embed, conversion: Conversion) -> nn.Layer:
    weight = _array(module.embedding)
    assert weight is not None
    scale = 1 / math.sqrt(weight.shape[1])
    return nn.Embedding(*weight.shape, w_std=conversion.w_std(weight, 1, 1, scale))


def _per_axis(value: Any, axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value or (1,) * axes)


@flax_rule.register
def _conv(module: nnx.Conv, conversion: Conversion) -> nn.Layer:
    kernel = _per_axis(module.kernel_size, 1)
    axes = len(kernel)
    if module.feature_group_count != 1 or module.mask is not None or set(_per_axis(module.input_dilation, axes)) != {1}:
        raise conversion.refuse(module, "has groups, a mask or input dilation; the language has plain convolutions")
    stride, dilation = _per_axis(module.strides, axes), _per_axis(module.kernel_dilation, axes)
    taps = math.prod(kernel)
    weight = _array(module.kernel)
    return nn.Conv(
        module.out_features,
        kernel,
        stride=windows.short(stride),
        padding=_padding(module, conversion, kernel, stride, dilation),
        dilation=windows.short(dilation),
        w_std=conversion.w_std(weight, taps * module.in_features, taps * module.out_features, 1.0),
        b_std=conversion.b_std(_array(module.bias), 0.0),
    )


def _padding(module: nnx.Conv, conversion: Conversion, kernel: Any, stride: Any, dilation: Any) -> Any:
    padding = module.padding
    if isinstance(padding, str):
        if padding.upper() in ("SAME", "VALID"):
            return padding.lower()
        ring = padding.upper() == "CIRCULAR" and all(
            (k - 1) * d % 2 == 0 for k, d in zip(kernel, dilation, strict=True)
        )
        if ring and set(stride) == {1}:
            return "circular"
        raise conversion.refuse(
            module, f"has padding={padding!r}; use 'SAME', 'VALID', numbers, or 'CIRCULAR' with stride 1"
        )
    pairs = [padding] * len(kernel) if isinstance(padding, int) else padding
    return windows.zeros(module, conversion, pairs, kernel, stride, dilation)


@flax_rule.register
def _layer_norm(module: nnx.LayerNorm, conversion: Conversion) -> nn.Layer:
    axes = _per_axis(module.reduction_axes, 1)
    if axes != (-1,) or _per_axis(module.feature_axes, 1) != (-1,):
        raise conversion.refuse(
            module, f"normalizes over axes {axes}; only the last one (reduction_axes=-1) has a rule"
        )
    return conversion.normalization(module, module.epsilon, (-1,), _array(module.scale), _array(module.bias))


@flax_rule.register
def _batch_norm(module: nnx.BatchNorm, conversion: Conversion) -> nn.Layer:
    if not module.use_running_average:
        raise conversion.refuse(
            module, "normalizes by the batch, of which a kernel of pairs knows nothing; call model.eval() first"
        )
    return conversion.by_statistics(
        module, _array(module.mean), _array(module.var), module.epsilon, _array(module.scale), _array(module.bias)
    )


@flax_rule.register
def _attention(module: nnx.MultiHeadAttention, conversion: Conversion) -> nn.Layer:
    raise conversion.refuse(module, ATTENTION)
