"""Progress of long work, told to whoever shows it."""

from collections.abc import Callable
from typing import Any

Advance = Callable[[str], Any]
"""Told what was done."""


def ignore(_: str) -> None:
    """Progress that nobody looks at."""
