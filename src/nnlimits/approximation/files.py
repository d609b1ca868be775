"""Networks on disk with their parameters: NPZ files that hold no code."""

import ast
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import PyTree

from nnlimits import nn

FORMAT = "nnlimits network 1"


def save_network(path: str | Path, network: nn.Layer, params: PyTree, about: dict[str, Any] | None = None) -> Path:
    """Write a network and its parameters; the file appears when it is complete.

    **Arguments:** `path`, to which `.npz` is added if missing; `network`, of words that `load_network` rebuilds; `params`,
    tuples, lists and dictionaries of arrays; `about`, what else JSON can hold.

    **Raises:** `ValueError` for a network or parameters that could not be read back, such as one with a function of your own;
    `OSError` if the file cannot be written.
    """
    path = Path(path)
    if not path.name:
        raise ValueError(f"path must name a file; received {str(path)!r}")
    path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
    text = repr(network)
    try:
        same = network_of(text) == network
    except ValueError as error:
        raise ValueError(f"the network cannot be saved: {error}") from None
    if not same:
        raise ValueError(f"the network cannot be saved: its text does not rebuild it: {text}")
    arrays: dict[str, np.ndarray] = {}
    header = {"format": FORMAT, "network": text, "params": _structure(params, arrays), "about": about or {}}
    try:
        written = json.dumps(header)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"about must hold what JSON can: numbers, texts, lists and dictionaries of them ({error})"
        ) from None
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            np.savez_compressed(file, header=np.asarray(written), **arrays)  # pyright: ignore[reportArgumentType]
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def load_network(path: str | Path) -> tuple[nn.Layer, PyTree, dict[str, Any]]:
    """Read what `save_network` wrote: the network, its parameters, and what was said of them. No code of the file is run.

    **Raises:** `FileNotFoundError`; `ValueError` for another file, or a damaged one.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # whatever a damaged archive raises
        raise ValueError(f"{path} is not a network saved by nnlimits ({type(error).__name__}: {error})") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(f"{path} is not a network of the format {FORMAT!r}")
    try:
        return network_of(header["network"]), _rebuilt(header["params"], arrays), header["about"]
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error})") from None


def network_of(text: str) -> nn.Layer:
    """The network of an expression such as `nn.Sequential(nn.Dense(3), nn.Relu())`: words of `nnlimits.nn` and constants.

    **Raises:** `ValueError` for any other text.
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"no network is written so: {text[:200]} ({error})") from None
    found = _evaluated(tree)
    if not isinstance(found, nn.Layer):
        raise ValueError(f"no network is written so: {text[:200]}")
    return found


def _evaluated(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple):
        return tuple(map(_evaluated, node.elts))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        return -_evaluated(node.operand)
    written = ast.unparse(node)
    if written == "math.inf":
        return math.inf
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        word = getattr(nn, name.removeprefix("nn."), None) if name.startswith("nn.") else None
        if isinstance(word, type):
            keywords = {str(keyword.arg): _evaluated(keyword.value) for keyword in node.keywords}
            return word(*map(_evaluated, node.args), **keywords)
    raise ValueError(f"{written[:200]} is no word of nnlimits.nn and no constant")


def _structure(params: Any, arrays: dict[str, np.ndarray]) -> Any:
    """What JSON can hold of a tree whose leaves go to `arrays`."""
    if params is None:
        return None
    if type(params) in (tuple, list):
        return {type(params).__name__: [_structure(part, arrays) for part in params]}
    if isinstance(params, dict):
        if not all(isinstance(name, str) for name in params):
            raise ValueError(f"names of parameters must be texts; received {list(params)}")
        return {"dict": {name: _structure(part, arrays) for name, part in params.items()}}
    array = np.asarray(params)
    if array.dtype.kind not in "biufc" or isinstance(params, tuple | list):
        raise ValueError(
            f"params must be tuples, lists and dictionaries of arrays of NumPy's numbers; received {type(params).__name__} "
            f"of type {array.dtype.name}"
        )
    name = f"array{len(arrays)}"
    arrays[name] = array
    return name


def _rebuilt(structure: Any, arrays: dict[str, np.ndarray]) -> Any:
    if structure is None:
        return None
    if isinstance(structure, str):
        return arrays[structure]
    ((kind, parts),) = structure.items()
    if kind == "dict":
        return {name: _rebuilt(part, arrays) for name, part in parts.items()}
    return (tuple if kind == "tuple" else list)(_rebuilt(part, arrays) for part in parts)
