"""Which tiles of a long computation are done, kept beside its files so that it can go on after an interruption."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import jax
import numpy as np

Place = tuple[int, int]


class Journal:
    """Tiles that are done. A tile is written down after its numbers are in the file."""

    def __init__(self, done: set[Place], file: TextIO) -> None:
        self.done, self._file = done, file

    def add(self, place: Place) -> None:
        """Write down one more."""
        self._file.write(f"{place[0]} {place[1]}\n")
        self._file.flush()


def fingerprint(*values: Any) -> str:
    """Of arrays, PyTrees of arrays, and whatever has a `repr`."""
    digest = hashlib.sha256()
    for value in values:
        leaves, structure = jax.tree.flatten(value)
        digest.update(repr(structure).encode())
        for leaf in leaves:
            if isinstance(leaf, np.ndarray | jax.Array):
                array = np.ascontiguousarray(leaf)
                digest.update(f"{array.dtype} {array.shape}".encode())
                digest.update(array.data if array.size else b"")
            else:
                digest.update(repr(leaf).encode())
    return digest.hexdigest()


@contextmanager
def journal(path: Path, identity: str) -> Iterator[Journal]:
    """The journal at `path`, of the computation `identity`; removed when the block ends without an exception.

    **Raises:** `ValueError` if it belongs to another computation.
    """
    done: set[Place] = set()
    if path.exists():
        header, *lines = path.read_text().split("\n")
        if header != identity:
            raise ValueError(
                f"{path} was left by another computation (other inputs, network, kernels or tiles); remove it, or choose "
                "another path for out"
            )
        # a line that was cut off in the middle is not believed
        done = {tuple(map(int, line.split())) for line in lines[:-1]}  # type: ignore[misc]
    text = "\n".join([identity, *(f"{i} {j}" for i, j in sorted(done)), ""])
    path.write_text(text)
    with path.open("a") as file:
        yield Journal(done, file)
    path.unlink()
