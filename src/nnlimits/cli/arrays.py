"""Examples with positions (images, sequences, graphs) and their targets, from the arrays of an NPZ file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nnlimits import datasets, nn
from nnlimits.cli import tabular, targets
from nnlimits.validation import check_finite

INPUTS = ("X", "x", "images")
"""Names that an array of inputs may have; other names are for the only array with more than one axis."""

TARGETS = ("y", "labels")
"""Names of the target where none is given."""


def hold_positions(path: Path) -> bool:
    """Whether a file is an NPZ with an array of more than two axes, so no table."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return False
    return any(array.ndim > 2 for array in datasets.read_arrays(path).values())


def load(path: Path, target: str | None, task: str, network: nn.Layer, *, images: bool) -> tabular.Dataset:
    """Inputs and targets, to be learned; arguments and errors as of `read`."""
    x, values = read(path, target, network, images=images)
    if values is None:
        held = datasets.described(datasets.read_arrays(path))
        raise ValueError(f"--target names the array to predict; {path} holds {held}")
    if len(x) < 4:
        raise ValueError(f"{path} has {len(x)} examples; at least 4 are needed")
    found = targets.as_task(task, values)
    name = inputs_name(datasets.read_arrays(path), path)
    about = f"{len(x):,} examples of shape {x.shape[1:]} in {name}"
    return tabular.Dataset(tabular.with_targets(x, values, found.task), found, values.name, [], name, about)


def read(path: Path, target: str | None, network: nn.Layer, *, images: bool) -> tuple[np.ndarray, Any]:
    """Inputs that the network takes, and the column of targets, `None` if there is none.

    **Arguments:** `target`, the name of an array, or `None` for one of `TARGETS`; `images`, whether three axes are those of grey
    images, to which an axis for the channel is added.

    **Raises:** `ValueError` for arrays that are absent, of other lengths or kinds, NaN in them, or inputs that the network
    cannot take.
    """
    arrays = datasets.read_arrays(path)
    name = inputs_name(arrays, path)
    if target is not None and target not in arrays:
        raise ValueError(f"there is no array {target!r}; {path} holds {datasets.described(arrays)}")
    target = target or next((known for known in TARGETS if known in arrays), None)
    if target == name:
        raise ValueError(f"the array {name!r} is the inputs; it cannot be the target too")
    x = _examples(name, arrays[name], network, images=images)
    if target is None:
        return x, None
    values = series(target, arrays[target], len(x))
    datasets.check_complete(values, target)
    return x, values


def inputs_name(arrays: Mapping[str, np.ndarray], path: Path) -> str:
    """Which array holds the inputs.

    **Raises:** `ValueError` that lists the arrays if that is not clear.
    """
    wide = [name for name, array in arrays.items() if array.ndim > 1]
    named = [name for name in INPUTS if name in wide]
    if not named and len(wide) != 1:
        raise ValueError(
            f"{path} holds {datasets.described(arrays)}; one with more than one axis must be the inputs, named "
            f"{', '.join(INPUTS)} if there are others"
        )
    return (named or wide)[0]


def matching(name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Examples for a model that was fitted to examples of `shape`.

    **Raises:** `ValueError` unless they have it, but for the axis of a single channel.
    """
    x = _numbers(name, array)
    if (*x.shape[1:], 1) == shape:
        x = x[..., None]
    if x.shape[1:] != shape:
        raise ValueError(f"the array {name!r} has examples of shape {x.shape[1:]}; the model was fitted to {shape}")
    return x


def series(name: str, array: np.ndarray, n: int) -> Any:
    """An array of targets as a column.

    **Raises:** `ValueError` unless it has one axis of length `n`.
    """
    import pandas as pd

    if array.shape[1:] == (1,):
        array = array[:, 0]
    if array.shape != (n,):
        raise ValueError(
            f"the target {name!r} must have one entry for each of the {n} examples; its shape is {array.shape}"
        )
    return pd.Series(array, name=name)


def check_taken(name: str, x: np.ndarray, network: nn.Layer) -> None:
    """Raise `ValueError` unless a network takes the examples `x`."""
    try:
        network.output_shape(x.shape[1:])
    except ValueError as error:
        raise ValueError(f"the network cannot take {name}, examples of shape {x.shape[1:]}: {error}") from None


def _examples(name: str, array: np.ndarray, network: nn.Layer, *, images: bool) -> np.ndarray:
    x = _numbers(name, array)
    if x.ndim == 3 and (images or _takes_channel_only(network, x.shape[1:])):
        x = x[..., None]
    check_taken(f"the array {name!r}", x, network)
    return x


def _takes_channel_only(network: nn.Layer, shape: tuple[int, ...]) -> bool:
    """Whether a network takes examples with one axis more, and not as they are."""
    return not _takes(network, shape) and _takes(network, (*shape, 1))


def _takes(network: nn.Layer, shape: tuple[int, ...]) -> bool:
    try:
        network.output_shape(shape)
    except ValueError:
        return False
    return True


def _numbers(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"the array {name!r} must hold real numbers; its dtype is {array.dtype}")
    if array.ndim < 2 or 0 in array.shape:
        raise ValueError(f"the array {name!r} must hold examples along its first axis; its shape is {array.shape}")
    check_finite(f"the array {name!r}", array)
    return array.astype(np.float64)
