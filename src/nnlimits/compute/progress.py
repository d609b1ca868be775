"""A progress bar on the terminal for anything that takes more than a moment."""

import sys
import threading
import time
from typing import Any

import numpy as np

_PATIENCE = 1.5
"""Seconds before a bar appears."""


class Progress:
    """Counts steps, from any thread, and shows a bar on standard error once the work has taken a while.

    **Arguments:** `title`; `total`, the number of steps; `show`: `True` or `False`, or `None` for "if a person is
    watching".

    **Raises:** `TypeError` for anything else.
    """

    def __init__(self, title: str, total: int, show: bool | None = None) -> None:
        check_shown(show)
        self._title, self._total, self._done = title, total, 0
        self._show = sys.stderr.isatty() if show is None else show
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> "Progress":
        return self

    @property
    def done(self) -> int:
        """How many steps are done."""
        return self._done

    def advance(self, steps: int = 1) -> None:
        """Count `steps` more as done."""
        with self._lock:
            self._done += steps
            if not self._show:
                return
            if self._bar is None and self._done < self._total and time.monotonic() - self._start > _PATIENCE:
                self._open()
            if self._bar is not None:
                self._bar.update(self._task, completed=self._done)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%")
        self._bar = RichProgress(
            *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
        )
        self._bar.start()
        self._task = self._bar.add_task(self._title, total=self._total)

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def check_shown(progress: Any) -> None:
    """Raise `TypeError` unless an argument `progress` says whether to show it."""
    if progress is not None and not isinstance(progress, bool | np.bool_):
        raise TypeError(f"progress must be True, False, or None for where a person is watching; received {progress!r}")
