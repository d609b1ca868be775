"""Networks from files: Python that defines one, or a model saved by PyTorch; models of other libraries are converted."""

import runpy
import traceback
from pathlib import Path
from typing import Any

from nnlimits import nn
from nnlimits.kernels.kernel import how_to_convert

SUFFIXES = (".py", ".pt", ".pth")
NAMES = ("net", "model")
"""What a Python file may call its network."""


def read(path: Path) -> nn.Layer:
    """The network in a file.

    A Python file defines `net`, an expression of `nnlimits.nn` or a model of Equinox, Flax NNX or PyTorch, and, if the model's
    conversion needs it, `input_shape`. Other files are whole modules saved by `torch.save`. Either runs the code of its author.

    **Raises:** `FileNotFoundError`, or `ValueError` that says what is wrong with the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return _python(path) if path.suffix == ".py" else _converted(_torch(path), None, path)


def _python(path: Path) -> nn.Layer:
    try:
        names = runpy.run_path(str(path))
    except SyntaxError as error:
        raise ValueError(f"{path} is not valid Python: {error.msg} in line {error.lineno}") from None
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        place = f" in line {lines[-1]}" if lines else ""
        raise ValueError(f"{path} raised {type(error).__name__}{place}: {error}") from None
    defined = [name for name in NAMES if name in names]
    if not defined:
        raise ValueError(f"{path} does not define net; it should hold, for example, net = nn.Sequential(...)")
    net = names[defined[0]]
    return net if isinstance(net, nn.Layer) else _converted(net, names.get("input_shape"), path)


def _torch(path: Path) -> Any:
    try:
        import torch
    except ImportError:
        raise ImportError(f"reading {path} needs PyTorch: pip install 'nnlimits[torch]'") from None
    try:
        module = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # whatever unpickling raises
        raise ValueError(f"{path} cannot be read as a model of PyTorch: {type(error).__name__}: {error}") from None
    if isinstance(module, dict):
        raise ValueError(f"{path} holds weights without their model; save the whole module, torch.save(model, path)")
    return module


def _converted(model: Any, input_shape: Any, path: Path) -> nn.Layer:
    from nnlimits import convert

    known = how_to_convert(model)
    function = next((name for name in ("from_torch", "from_flax", "from_equinox") if name in known), None)
    if function is None:
        raise ValueError(
            f"net in {path} must be an expression of nnlimits.nn, or a model of Equinox, Flax NNX or PyTorch; it is of type "
            f"{type(model).__name__}"
        )
    try:
        return getattr(convert, function)(model, input_shape)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ValueError(f"the model in {path} has no expression in nnlimits.nn: {error}") from None
