"""Presenting the measurements: a table on the terminal, JSON, and a Markdown table for the README."""

import json
import pathlib
import platform

from rich.console import Console
from rich.table import Table

COLUMNS = (
    "case",
    "peer's best",
    "peer s",
    "ours s",
    "ratio of medians / of best",
    "first s, peer / ours",
    "MiB, peer / ours",
)


def rows(results: list[dict]) -> list[tuple[str, ...]]:
    """One row of text for each of our sides of each case; also what failed."""
    lines = []
    for result in results:
        if "error" in result:
            lines.append((result["case"]["name"], result["error"], *[""] * (len(COLUMNS) - 2)))
        lines += [_row(result, ours) for ours in result.get("ours", [])]
    return lines


def _row(result, ours):
    peer = result["peer"]
    name = _name(result, ours)
    first, memory = f"{ours['first_call_s']:.2g}", _size(ours["memory_bytes"])
    if peer is None:
        return name, "-", "-", f"{ours['median_s']:.3g}", "-", f"- / {first}", f"- / {memory}"
    first = f"{peer['first_call_s']:.2g} / {first}"
    memory = f"{_size(peer['memory_bytes'])} / {memory}"
    seconds = f"{peer['median_s']:.3g}", f"{ours['median_s']:.3g}"
    return name, peer["variant"], *seconds, _ratio(result, ours), first, memory


def _name(result, ours):
    name = result["case"]["name"]
    return f"{name} ({ours['activation']})" if len(result["ours"]) > 1 else name


def _ratio(result, ours):
    target = result["case"]["target"]
    goal = f" (goal {target:g})" if target else ""
    return f"{ours['ratio']:.1f} / {ours['ratio_of_best']:.1f}{goal}"


def _size(count):
    return "?" if count is None else f"{count / 2**20:.0f}"


def show(results: list[dict], console: Console):
    table = Table(title="nnlimits against neural-tangents")
    for index, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if index < 2 else "right", no_wrap=index == 0)
    for row in rows(results):
        table.add_row(*row)
    console.print(table)
    for result in results:
        for ours in result.get("ours", []):
            if "difference" in ours:
                console.print(f"{_name(result, ours)}: values differ by {ours['difference']:.1e} of the largest")


def markdown(results: list[dict]) -> str:
    lines = [COLUMNS, tuple(["---"] * 2 + ["---:"] * (len(COLUMNS) - 2)), *rows(results)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def save(results: list[dict], folder: pathlib.Path) -> None:
    """Write `results.json` and `results.md` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    (folder / "results.json").write_text(json.dumps({"machine": machine, "results": results}, indent=1) + "\n")
    (folder / "results.md").write_text(markdown(results))
