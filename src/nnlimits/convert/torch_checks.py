"""What is checked of a PyTorch model as a whole, as the rules see one module at a time."""

import dataclasses
from typing import Any

import torch

from nnlimits.convert.conversion import Conversion
from nnlimits.convert.torch_modules import FIRST, LAST

layers = torch.nn


def check_plain(module: Any, conversion: Conversion) -> None:
    """Raise where the function of a module is not that of its type alone."""
    for name, part in module.named_modules():
        here = dataclasses.replace(conversion, path=f"{conversion.path}.{name}" if name else conversion.path)
        if hasattr(part, "parametrizations"):
            raise here.refuse(part, "has parametrized weights, whose gradients are others; remove the parametrization")
        if part._forward_hooks or part._forward_pre_hooks:
            raise here.refuse(
                part, "has forward hooks (perhaps of weight_norm), which have no counterpart; remove them"
            )


def check_order_of_axes(module: Any, conversion: Conversion) -> None:
    """Raise where a row of modules acts on the last axis of an image, which is no axis of channels in PyTorch."""
    image = False
    for name, part in module.named_modules(remove_duplicate=False) if isinstance(module, layers.Sequential) else ():
        if image and isinstance(part, LAST):
            here = dataclasses.replace(conversion, path=f"{conversion.path}.{name}")
            raise here.refuse(
                part, "acts on the last axis of an image, which holds positions; put nn.Flatten() before it"
            )
        image = (image or isinstance(part, FIRST)) and not isinstance(part, layers.Flatten)
