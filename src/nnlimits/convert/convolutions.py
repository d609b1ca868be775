"""Convolutions of Equinox and PyTorch, which name their attributes alike and draw weights uniformly."""

import math
from typing import Any

from nnlimits import nn
from nnlimits.convert import windows
from nnlimits.convert.conversion import Conversion

UNIFORM = math.sqrt(1 / 3)
"""The scale of weights drawn uniformly from plus or minus the inverse root of the fan-in."""


def convolution(module: Any, conversion: Conversion, weight: Any, bias: Any, padding: Any) -> nn.Conv:
    """The word for a convolution; `padding` in the language's terms."""
    _check_groups(module, conversion)
    fan_in, fan_out = _fans(module)
    return nn.Conv(
        module.out_channels,
        tuple(module.kernel_size),
        stride=windows.short(module.stride),
        padding=padding,
        dilation=windows.short(module.dilation),
        w_std=conversion.w_std(weight, fan_in, fan_out, UNIFORM),
        b_std=conversion.b_std(bias, UNIFORM / math.sqrt(fan_in)),
    )


def transposed_convolution(
    module: Any, conversion: Conversion, weight: Any, bias: Any, low: Any, drawn_by: int
) -> nn.ConvTranspose:
    """The word for a transposed convolution that takes `low` positions off at both ends.

    `drawn_by`: the channels that the library takes for those of the fan-in.
    """
    _check_groups(module, conversion)
    if any(d != 1 for d in module.dilation):
        raise conversion.refuse(module, f"has dilation {tuple(module.dilation)}; the language has 1 when transposed")
    fan_in, fan_out = _fans(module)
    fan_drawn_by = fan_in // module.in_channels * drawn_by
    return nn.ConvTranspose(
        module.out_channels,
        tuple(module.kernel_size),
        stride=windows.short(module.stride),
        padding=windows.transposed_padding(
            module, conversion, module.kernel_size, module.stride, low, module.output_padding
        ),
        w_std=conversion.w_std(weight, fan_in, fan_out, UNIFORM * math.sqrt(fan_in / fan_drawn_by)),
        b_std=conversion.b_std(bias, UNIFORM / math.sqrt(fan_drawn_by)),
    )


def _fans(module: Any) -> tuple[int, int]:
    taps = math.prod(module.kernel_size)
    return taps * module.in_channels, taps * module.out_channels


def _check_groups(module: Any, conversion: Conversion) -> None:
    if module.groups != 1:
        raise conversion.refuse(
            module, f"has groups={module.groups}; the language has convolutions of all channels (groups=1)"
        )
