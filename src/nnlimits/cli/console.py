"""What the command line writes: results to standard output, progress to standard error."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

WIDTH_OF_A_FILE = 110
"""Columns of text where the output is not a terminal, which has no width of its own."""


def output() -> Console:
    """The console for results."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH_OF_A_FILE)


class Stages:
    """The stages of a long command, each a line on standard error: a bar while it runs, a tick and its time afterwards."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)

    @contextlib.contextmanager
    def stage(self, title: str, total: int | None = None) -> Iterator[Callable[[str], Any]]:
        """Run a stage of `total` steps, if their number is known; it is given a function that counts one and names the next."""
        start = time.monotonic()
        columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn()
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as bar:
            task = bar.add_task(title, total=total)

            def advance(step: str = "") -> None:
                bar.update(task, advance=1, description=f"{title} [dim]{step}[/dim]")

            yield advance
        self.console.print(f"[green]done[/green]  {title} [dim]{time.monotonic() - start:.1f} s[/dim]")
