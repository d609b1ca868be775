"""PyTorch models in the language."""

from typing import Any

from nnlimits import nn
from nnlimits.convert.entry import check_untied, checked, expressed
from nnlimits.convert.rules import torch_rule


def from_torch(module: Any, input_shape: Any = None, *, scales: str = "weights") -> nn.Sequential:
    """A PyTorch module as an expression of `nnlimits.nn`, in the standard parameterization and with the module's widths.

    The NTK of the expression is the limit of the module's own empirical NTK. Images of PyTorch have channels first, those of the
    language channels last: give the expression `nnlimits.convert.channels_last(x)`.

    **Arguments:** `module`, in the mode it is to have: after its `eval()` dropout is left out and batch normalization takes its
    statistics; `input_shape`, the shape of one example as the module takes it, without the batch axis, needed where a
    `forward` of your own must be traced (by `torch.fx`); `scales`, `"weights"` to read the scales of weights and biases from
    their values, `"initializer"` for those of the initializer that they were drawn by.

    **Returns:** a `nn.Sequential`.

    **Raises:** `NotImplementedError` for a module without a counterpart, with its place in the model; `ValueError` for weights
    that no known initializer draws; `TypeError` for anything that is no PyTorch module; `ImportError` without PyTorch.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError('from_torch needs PyTorch; install it with pip install "nnlimits[torch]"') from error
    from nnlimits.convert.torch_checks import check_order_of_axes, check_plain
    from nnlimits.convert.torch_graph import traced

    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"module must be a PyTorch module; received {type(module).__name__}")
    conversion, shape = checked(torch_rule, input_shape, scales)
    check_plain(module, conversion)
    check_untied((f"{conversion.path}.{name}", p) for name, p in module.named_parameters(remove_duplicate=False))
    if shape is None:
        check_order_of_axes(module, conversion)
    return expressed(module, conversion, shape, lambda shape: traced(module, conversion, shape))
