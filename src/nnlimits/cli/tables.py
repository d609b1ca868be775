"""Tables for the terminal."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, SupportsFloat

from rich import box
from rich.cells import cell_len
from rich.table import Table


class Column(NamedTuple):
    """A numeric column: its heading, how its numbers are written, and which of them is best (`max`, `min` or neither)."""

    heading: str
    form: str = ".3f"
    best: Any = None


def numbers(
    title: str, first: str, columns: Sequence[Column], rows: Iterable[tuple[str, Sequence[SupportsFloat]]]
) -> Table:
    """A table of names and numbers, the best of a column in bold; a number that is absent is NaN."""
    rows = list(rows)
    width = cell_len(title)  # a narrower table would break its title
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, min_width=width
    )
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column.heading, justify="right")
    best = [_best(column, [values[i] for _, values in rows]) for i, column in enumerate(columns)]
    for name, values in rows:
        cells = [
            f"[bold]{text}[/bold]" if text == leader else text
            for text, leader in zip(map(_written, columns, values), best, strict=True)
        ]
        table.add_row(name, *cells)
    return table


def _written(column: Column, value: SupportsFloat) -> str:
    form = "z" + column.form if column.form.endswith("f") else column.form  # no minus before a zero
    return "-" if math.isnan(value) else format(value, form)


def _best(column: Column, values: list[SupportsFloat]) -> str | None:
    present = [value for value in values if not math.isnan(value)]
    return _written(column, column.best(present)) if column.best and present else None
