"""Rules of conversion of PyTorch modules."""

import math
from typing import Any

from torch import nn as layers

from nnlimits import nn
from nnlimits.convert import graph, windows
from nnlimits.convert.conversion import ATTENTION, Conversion, NeedsTracing
from nnlimits.convert.convolutions import UNIFORM, convolution, transposed_convolution
from nnlimits.convert.rules import torch_rule

CONTAINERS = (layers.Sequential,)
_ENTRIES: tuple[type, ...] = (layers.Identity, layers.Dropout, layers.Dropout1d, layers.Dropout2d, layers.Dropout3d)
LAST = (layers.Linear, layers.LayerNorm)
_POOLS = (layers.AvgPool1d, layers.AvgPool2d, layers.AvgPool3d)
_GLOBAL = (layers.AdaptiveAvgPool1d, layers.AdaptiveAvgPool2d, layers.AdaptiveAvgPool3d)
_CONVS = (layers.Conv1d, layers.Conv2d, layers.Conv3d)
_TRANSPOSED = (layers.ConvTranspose1d, layers.ConvTranspose2d, layers.ConvTranspose3d)
_BATCH_NORMS = (layers.BatchNorm1d, layers.BatchNorm2d, layers.BatchNorm3d)
FIRST = (*_POOLS, *_GLOBAL, *_CONVS, *_TRANSPOSED, layers.BatchNorm2d, layers.BatchNorm3d, layers.GroupNorm)

ACTIVATIONS = {
    layers.ReLU: lambda m: nn.Relu(),
    layers.GELU: lambda m: nn.Gelu(approximate=m.approximate == "tanh"),
    layers.Tanh: lambda m: nn.Tanh(),
    layers.Sigmoid: lambda m: nn.Sigmoid(),
    layers.SiLU: lambda m: nn.Silu(),
    layers.ELU: lambda m: nn.Elu(m.alpha),
    layers.SELU: lambda m: nn.Selu(),
    layers.Mish: lambda m: nn.Mish(),
    layers.LeakyReLU: lambda m: nn.LeakyRelu(m.negative_slope),
}


def layout(module: Any) -> str:
    """How a module takes its input."""
    if isinstance(module, (*ACTIVATIONS, layers.Softplus, layers.Hardtanh, *_ENTRIES)):
        return graph.ENTRIES
    kinds = {graph.LAST: LAST, graph.FIRST: FIRST, graph.TOKENS: layers.Embedding}
    return next((kind for kind, types in kinds.items() if isinstance(module, types)), graph.ANY)


def trained(parameter: Any, module: Any, conversion: Conversion) -> Any:
    """A parameter, which must be trained."""
    if parameter is not None and not parameter.requires_grad:
        raise conversion.refuse(
            module,
            "has frozen parameters (requires_grad=False); the kernel is that of a network of which all are trained",
        )
    return parameter


def gain_or_offset(parameter: Any, start: float) -> Any:
    """That of a normalization: `None` where it is frozen at its start, so that there is nothing to train."""
    if parameter is None or (not parameter.requires_grad and bool((parameter == start).all())):
        return None
    return parameter


@torch_rule.register
def _sequential(module: layers.Sequential, conversion: Conversion) -> nn.Layer:
    return nn.Sequential(*(conversion.child(name, part) for name, part in module._modules.items()))


def _activation(module: Any, conversion: Conversion) -> nn.Layer:
    return ACTIVATIONS[type(module)](module)


for _type in ACTIVATIONS:
    torch_rule.register(_type)(_activation)


@torch_rule.register
def _softplus(module: layers.Softplus, conversion: Conversion) -> nn.Layer:
    if module.beta != 1:
        raise conversion.refuse(module, f"has beta={module.beta}; the language has beta=1")
    return nn.Softplus()


@torch_rule.register
def _hardtanh(module: layers.Hardtanh, conversion: Conversion) -> nn.Layer:
    if (module.min_val, module.max_val) != (-1, 1):
        raise conversion.refuse(module, "has other limits than -1 and 1")
    return nn.HardTanh()


@torch_rule.register
def _identity(module: layers.Identity, conversion: Conversion) -> nn.Layer:
    return nn.Identity()


@torch_rule.register
def _dropout(module: layers.Dropout, conversion: Conversion) -> nn.Layer:
    return nn.Dropout(float(module.p)) if module.training else nn.Identity()


@torch_rule.register
def _flatten(module: layers.Flatten, conversion: Conversion) -> nn.Layer:
    if (module.start_dim, module.end_dim) != (1, -1):
        raise NeedsTracing(
            f"{conversion.path}: Flatten(start_dim={module.start_dim}, end_dim={module.end_dim}) keeps some axes; give "
            "input_shape=, the shape of one example as the model takes it, and it is traced"
        )
    return nn.Flatten()


@torch_rule.register
def _linear(module: layers.Linear, conversion: Conversion) -> nn.Layer:
    fan_out, fan_in = module.weight.shape
    weight, bias = _weight_and_bias(module, conversion)
    w_std = conversion.w_std(weight, fan_in, fan_out, UNIFORM)
    return nn.Linear(fan_out, w_std=w_std, b_std=conversion.b_std(bias, UNIFORM / math.sqrt(fan_in)))


@torch_rule.register
def _embedding(module: layers.Embedding, conversion: Conversion) -> nn.Layer:
    if module.padding_idx is not None or module.max_norm is not None:
        raise conversion.refuse(
            module, "has padding_idx or max_norm; the language embeds all tokens alike (see nn.Masked)"
        )
    weight = trained(module.weight, module, conversion)
    return nn.Embedding(*weight.shape, w_std=conversion.w_std(weight, 1, 1, 1.0))


def _conv(module: Any, conversion: Conversion) -> nn.Layer:
    weight, bias = _weight_and_bias(module, conversion)
    return convolution(module, conversion, weight, bias, _padding(module, conversion))


def _conv_transpose(module: Any, conversion: Conversion) -> nn.Layer:
    weight, bias = _weight_and_bias(module, conversion)
    return transposed_convolution(
        module, conversion, weight, bias, module.padding, drawn_by=module.out_channels
    )  # PyTorch takes the other end for the fan-in


def _weight_and_bias(module: Any, conversion: Conversion) -> tuple[Any, Any]:
    return trained(module.weight, module, conversion), trained(module.bias, module, conversion)


def _padding(module: Any, conversion: Conversion) -> Any:
    if module.padding == "valid":
        return "valid"
    axes = list(zip(module.kernel_size, module.dilation, strict=True))
    same = [(k - 1) * d for k, d in axes]
    if module.padding == "same" and module.padding_mode == "zeros":
        return "same"
    if module.padding == "same" and any(total % 2 for total in same):
        raise conversion.refuse(module, "has circular padding for an even kernel; the language has it for odd ones")
    pairs = [total // 2 for total in same] if module.padding == "same" else module.padding
    if module.padding_mode == "circular":
        return windows.circular(module, conversion, pairs, module.kernel_size, module.dilation)
    if module.padding_mode != "zeros":
        raise conversion.refuse(
            module, f"has padding_mode={module.padding_mode!r}; the language has 'zeros' and 'circular'"
        )
    return windows.zeros(module, conversion, pairs, module.kernel_size, module.stride, module.dilation)


for _type in _CONVS:
    torch_rule.register(_type)(_conv)
for _type in _TRANSPOSED:
    torch_rule.register(_type)(_conv_transpose)


@torch_rule.register
def _layer_norm(module: layers.LayerNorm, conversion: Conversion) -> nn.Layer:
    rank = len(module.normalized_shape)
    axes = tuple(range(rank)) if rank > 1 else (-1,)
    gain, offset = gain_or_offset(module.weight, 1.0), gain_or_offset(module.bias, 0.0)
    return conversion.normalization(module, module.eps, axes, gain, offset)


@torch_rule.register
def _group_norm(module: layers.GroupNorm, conversion: Conversion) -> nn.Layer:
    if module.num_groups != 1:
        raise conversion.refuse(module, f"has num_groups={module.num_groups}; the language has one group, num_groups=1")
    if conversion.positions is None:
        raise NeedsTracing(
            f"{conversion.path}: GroupNorm normalizes over all positions; give input_shape= to say how many axes"
        )
    gain, offset = gain_or_offset(module.weight, 1.0), gain_or_offset(module.bias, 0.0)
    return conversion.normalization(module, module.eps, tuple(range(conversion.positions + 1)), gain, offset)


def _batch_norm(module: Any, conversion: Conversion) -> nn.Layer:
    if module.training or module.running_mean is None:
        raise conversion.refuse(
            module, "normalizes by the batch, of which a kernel of pairs knows nothing; call model.eval() first"
        )
    gain, offset = gain_or_offset(module.weight, 1.0), gain_or_offset(module.bias, 0.0)
    return conversion.by_statistics(module, module.running_mean, module.running_var, module.eps, gain, offset)


for _type in _BATCH_NORMS:
    torch_rule.register(_type)(_batch_norm)


def _pool(module: Any, conversion: Conversion) -> nn.Layer:
    rank = int(type(module).__name__[-2])
    window, stride, padding = (_per_axis(value, rank) for value in (module.kernel_size, module.stride, module.padding))
    if module.ceil_mode or (any(padding) and not module.count_include_pad) or getattr(module, "divisor_override", None):
        raise conversion.refuse(module, "rounds up, or divides by another number than the size of its window")
    return nn.AvgPool(
        window,
        None if stride == window else stride,
        windows.zeros(module, conversion, padding, window, stride, (1,) * rank),
    )


def _per_axis(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)


def _global_pool(module: Any, conversion: Conversion) -> nn.Layer:
    if set(_per_axis(module.output_size, 1)) != {1}:
        raise conversion.refuse(
            module, f"has output_size={module.output_size}; the language has 1, and AvgPool2d(window)"
        )
    return nn.GlobalAvgPool()


for _type in _POOLS:
    torch_rule.register(_type)(_pool)
for _type in _GLOBAL:
    torch_rule.register(_type)(_global_pool)


def _no_limit(module: Any, conversion: Conversion) -> nn.Layer:
    raise conversion.refuse(module, "has no kernel in closed form at infinite width; use average pooling")


for _type in (layers.MaxPool1d, layers.MaxPool2d, layers.MaxPool3d):
    torch_rule.register(_type)(_no_limit)


@torch_rule.register
def _attention(module: layers.MultiheadAttention, conversion: Conversion) -> nn.Layer:
    raise conversion.refuse(module, ATTENTION)


def _transformer(module: Any, conversion: Conversion) -> nn.Layer:
    return conversion.child("self_attn", module.self_attn)


for _type in (layers.TransformerEncoderLayer, layers.TransformerDecoderLayer):
    torch_rule.register(_type)(_transformer)


@torch_rule.register
def _encoder(module: layers.TransformerEncoder, conversion: Conversion) -> nn.Layer:
    return conversion.child("layers.0", module.layers[0])
