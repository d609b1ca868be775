"""The state of a training run in a file."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree


class Checkpoint(NamedTuple):
    """A training run so far."""

    step: int
    params: PyTree
    optimizer_state: PyTree
    theta0: np.ndarray
    """The kernel before training."""
    records: dict[int, tuple[Any, ...]]
    """What was recorded after each step; the last of each is a vector."""


def fingerprint(*arrays: PyTree) -> str:
    """A hash of all entries, by which a run is known again."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(arrays):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{array.shape} {array.dtype}".encode() + array.tobytes())
    return digest.hexdigest()


def save(path: Any, origin: str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the file takes its name when it is complete, so that an interruption leaves the previous one."""
    path = Path(path)
    leaves = jax.tree.leaves((checkpoint.params, checkpoint.optimizer_state))
    arrays = {f"leaf_{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
    numbers = np.array([record[:-1] for record in checkpoint.records.values()], np.float64)
    vectors = np.array([record[-1] for record in checkpoint.records.values()])
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(
                file,
                origin=origin,
                step=checkpoint.step,
                theta0=checkpoint.theta0,
                recorded=np.array(list(checkpoint.records), np.int64),
                numbers=numbers,
                vectors=vectors,
                **arrays,  # pyright: ignore[reportArgumentType]
            )
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def load(path: Any, origin: str, start: Checkpoint) -> Checkpoint:
    """The checkpoint in a file, or `start` if there is no file.

    **Raises:** `FileNotFoundError` if there is no folder for it; `ValueError` if the file holds another run.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path is {path}, but there is no folder {path.parent}; make it first")
    if not path.exists():
        return start
    leaves, structure = jax.tree.flatten((start.params, start.optimizer_state))
    try:
        with np.load(path, allow_pickle=False) as file:
            stored = dict(file)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"path is {path}, which is no saved run: {error}") from None
    names = [f"leaf_{i}" for i in range(len(leaves))]
    alike = str(stored.get("origin")) == origin and f"leaf_{len(leaves)}" not in stored
    if not alike or any(
        name not in stored or stored[name].shape != np.shape(leaf) for name, leaf in zip(names, leaves, strict=True)
    ):
        raise ValueError(
            f"path is {path}, which holds a run from other parameters or data, or of another optimizer; remove it or "
            "choose another path"
        )
    params, state = jax.tree.unflatten(structure, [jnp.asarray(stored[name]) for name in names])
    rows = zip(stored["recorded"], stored["numbers"], stored["vectors"], strict=True)
    records = {int(step): (*numbers.tolist(), vector) for step, numbers, vector in rows}
    return Checkpoint(int(stored["step"]), params, state, stored["theta0"], records)
