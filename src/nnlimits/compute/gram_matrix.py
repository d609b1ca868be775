"""Gram matrices into memory, a caller's array or a file."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from nnlimits.compute.journal import Journal, fingerprint, journal
from nnlimits.compute.precision import precision_of
from nnlimits.compute.tiles import tile_size
from nnlimits.kernels.kernel import Kernel, check_pair, fill_pairs
from nnlimits.kernels.load import load
from nnlimits.validation import is_traced

Which = Literal["ntk", "nngp"]


def gram(
    kernel: Kernel,
    x1: Any,
    x2: Any = None,
    *,
    get: Which | Sequence[Which] = "ntk",
    out: Any = None,
    tile: int | None = None,
    devices: Sequence[Any] | None = None,
    progress: bool | None = None,
    resume: bool = False,
) -> Any:
    """Kernel matrices of two batches as NumPy arrays, with memory for the result and little more.

    **Arguments:**

    - `kernel`: from `nnlimits.kernel`.
    - `x1`, `x2`: inputs, (n1, d) and (n2, d); `x2=None` is `x1` with itself, of which half is computed.
    - `get`: "ntk", "nngp", or a tuple of both for one pass over the data.
    - `out`: where the result goes: `None` (memory), an array or memory map of shape (n1, n2) and the inputs' dtype, or
      the path of a `.npy` file, which appears when it is complete; a tuple of these if `get` is a tuple.
    - `tile`: rows and columns of one tile; chosen for the device if absent. Need not divide the number of rows.
    - `devices`: JAX devices that share the work; all local ones if absent.
    - `progress`: show a progress bar; if absent, when a person is watching and it takes more than a moment.
    - `resume`: leave what is done beside the path if the computation is interrupted, as `.partial` and `.journal` files, and
      go on from what an earlier call with the same arguments left. Every `out` must be a path.

    **Returns:** one array, or a tuple of arrays if `get` is a tuple.

    **Raises:** `ValueError` or `TypeError` for bad inputs, an `out` of another shape or dtype, an unknown `get`, traced
    inputs, or files that another computation left; `FileNotFoundError` if the folder of a path does not exist.
    """
    if not isinstance(kernel, Kernel):
        raise TypeError(f"kernel must come from nnlimits.kernel(network); received {type(kernel).__name__}")
    names, targets = _matched(get, out)
    if is_traced(kernel, x1, x2):
        raise ValueError(
            "gram fills host memory, so it cannot run under a JAX transformation; call kernel(x1, x2) there"
        )
    x1, *rest = check_pair(kernel.network, x1, *([] if x2 is None else [x2]))
    x2 = rest[0] if rest else None
    n1, n2 = x1.shape[0], (x1 if x2 is None else x2).shape[0]
    devices = _checked_devices(devices)
    if tile is None:
        tile = tile_size(n1, n2, devices, load(kernel.network, x1.shape[1:], x1.dtype))
    tile = min(_checked_tile(tile), max(n1, n2))
    order = tuple(sorted(names))
    with contextlib.ExitStack() as stack:
        found = None
        if resume:
            identity = fingerprint(order, tile, repr(kernel.network), kernel, x1, x2)
            found = stack.enter_context(journal(_journal_path(targets), identity))
        arrays = {
            name: stack.enter_context(_target(name, target, (n1, n2), np.dtype(x1.dtype), found))
            for name, target in zip(names, targets, strict=True)
        }
        with precision_of(x1, x2):
            outputs = [arrays[name] for name in order]
            fill_pairs(order, kernel.network, x1, x2, outputs, tile, devices, progress, found)
    results = tuple(_reopened(target, arrays[name]) for name, target in zip(names, targets, strict=True))
    return results[0] if isinstance(get, str) else results


def _matched(get: Any, out: Any) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    names = (get,) if isinstance(get, str) else tuple(get) if isinstance(get, tuple | list) else ()
    if not names or not set(names) <= {"ntk", "nngp"} or len(set(names)) < len(names):
        raise ValueError(f'get must be "ntk", "nngp", or a tuple of both; received {get!r}')
    if isinstance(get, str):
        return names, (out,)
    targets = (None,) * len(names) if out is None else out
    if not isinstance(targets, tuple | list) or len(targets) != len(names):
        raise ValueError(f"out must be a tuple with one target for each of {names}; received {_shown(out)}")
    for i, target in enumerate(targets):
        if any(_overlap(target, other) for other in targets[:i]):
            raise ValueError("out names one target twice; each kernel needs one of its own")
    return names, tuple(targets)


def _overlap(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return bool(np.shares_memory(a, b))
    return isinstance(a, str | os.PathLike) and isinstance(b, str | os.PathLike) and Path(a) == Path(b)


def _shown(out: Any) -> str:
    return f"{len(out)}" if isinstance(out, tuple | list) else f"{out!r:.60}"


def _checked_devices(devices: Any) -> list[Any]:
    if devices is None:
        return list(jax.local_devices())
    if not isinstance(devices, Sequence) or not all(isinstance(device, jax.Device) for device in devices):
        raise TypeError(f"devices must be a list of JAX devices, such as jax.devices(); received {devices!r}")
    if not devices:
        raise ValueError("devices must name at least one JAX device; received none")
    return list(devices)


def _checked_tile(tile: Any) -> int:
    if isinstance(tile, bool) or not isinstance(tile, int | np.integer) or tile < 1:
        raise ValueError(f"tile must be a positive integer; received {tile!r}")
    return int(tile)


def _journal_path(targets: tuple[Any, ...]) -> Path:
    if not all(isinstance(target, str | os.PathLike) for target in targets):
        raise ValueError("resume=True needs a path for every out, where what is done can stay")
    path = Path(targets[0])
    if not path.parent.is_dir():
        raise FileNotFoundError(f"out is {path}, but there is no folder {path.parent}; make it first")
    return path.with_name(path.name + ".journal")


def _target(
    name: str, target: Any, shape: tuple[int, int], dtype: np.dtype, found: Journal | None
) -> contextlib.AbstractContextManager[np.ndarray]:
    if target is None:
        return contextlib.nullcontext(np.empty(shape, dtype))
    if isinstance(target, str | os.PathLike):
        return _new_file(Path(target), shape, dtype, found)
    if not isinstance(target, np.ndarray):
        raise TypeError(f"out must be a NumPy array, a memory map or a path; received {type(target).__name__}")
    if target.shape != shape or target.dtype != dtype:
        raise ValueError(
            f"out for the {name} must have shape {shape} and dtype {dtype}; received {target.shape} and {target.dtype}"
        )
    if not target.flags.writeable:
        raise ValueError(f"out for the {name} is read-only; open a memory map with mode='r+'")
    return contextlib.nullcontext(target)


@contextlib.contextmanager
def _new_file(path: Path, shape: tuple[int, int], dtype: np.dtype, found: Journal | None) -> Iterator[np.ndarray]:
    """A memory map that takes its name when it is complete.

    If the computation fails it is removed; with a journal it stays, and one that is there is continued.
    """
    if path.is_dir():
        raise ValueError(f"out must be the path of a .npy file; {path} is a folder")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"out is {path}, but there is no folder {path.parent}; make it first")
    partial = path.with_name(path.name + ".partial")
    try:
        if found is not None and found.done:
            if not partial.exists():
                raise ValueError(f"{partial} is gone, though its journal is there; remove the journal to begin anew")
            array = np.lib.format.open_memmap(partial, mode="r+")
        else:
            array = np.lib.format.open_memmap(partial, mode="w+", dtype=dtype, shape=shape)
        yield array
        array.flush()
        partial.replace(path)
    finally:
        if found is None:
            partial.unlink(missing_ok=True)


def _reopened(target: Any, array: np.ndarray) -> np.ndarray:
    return np.load(target, mmap_mode="r") if isinstance(target, str | os.PathLike) else array
