"""What the experiments of the command line share: options, their checks, and the names of saved figures."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer


def _writable(folder: Path) -> Path:
    """Refuse at once what no figure can be saved in, not after the experiment."""
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not there.is_dir():
        raise typer.BadParameter(f"{there} is a file; name a folder, which may be new")
    if not os.access(there, os.W_OK | os.X_OK):
        raise typer.BadParameter(f"{there} cannot be written; name another folder")
    return folder


Folder = Annotated[Path, typer.Option(help="Save the figures in this folder, as PNG.", callback=_writable)]
Seed = Annotated[int, typer.Option(help="Of all random draws.", min=0, max=2**32 - 1)]


def positive(**numbers: float) -> None:
    """Refuse an option whose number is not finite and positive."""
    for name, value in numbers.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"--{name} must be finite and positive; received {value:g}")


def whole_numbers(name: str, text: str) -> tuple[int, ...]:
    """The ascending whole numbers that an option lists with commas between."""
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1 or list(found) != sorted(set(found)):
        raise ValueError(f"{name} must be whole numbers of at least 1 that ascend, such as 5,10,20; received {text!r}")
    return found


def numbers_of(name: str, text: str) -> tuple[float, ...]:
    """The ascending positive numbers that an option lists with commas between."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 < value < float("inf") for value in found) or list(found) != sorted(set(found)):
        raise ValueError(f"{name} must be positive numbers that ascend, such as 0.1,1,10; received {text!r}")
    return found


def print_saved(out: Any, paths: list[Path]) -> None:
    """Name the figures that were saved."""
    for path in paths:
        out.print(f"figure saved: {path}", soft_wrap=True)
