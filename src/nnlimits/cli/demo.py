"""`nnlimits demo`: finite networks approach theory on handwritten digits, and theory competes with other estimators."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported

WIDTHS = "32,64,128,256,512,1024"


@reported()
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the figures and numbers.", file_okay=False)
    ] = Path("nnlimits-demo"),
    seed: Annotated[int, typer.Option(help="Of the random draws; equal seeds give equal results.", min=0)] = 0,
    widths: Annotated[str, typer.Option(help="Widths of the finite networks.", hidden=True)] = WIDTHS,
    seeds: Annotated[int, typer.Option(help="Networks of each width.", min=2, hidden=True)] = 8,
    images: Annotated[
        int, typer.Option(help="Images the networks of growing width learn.", min=10, max=1000, hidden=True)
    ] = 100,
    comparison_images: Annotated[
        int, typer.Option(help="Images that the compared estimators learn.", min=50, max=1500, hidden=True)
    ] = 500,
) -> None:
    """See finite networks converge to theory on handwritten digits, and theory compete with other estimators.

    Takes a minute or two. Writes figures and numbers to a folder.
    """
    output.mkdir(parents=True, exist_ok=True)
    sizes = _parsed(widths)

    from nnlimits.cli import console, demo_comparison, demo_figures, demo_widths

    stages, out = console.Stages(), console.output()
    study = demo_widths.run(stages, sizes, seeds, images, seed)
    table = demo_comparison.run(stages, comparison_images, seed)
    with stages.stage("drawing the figures"):
        figures = demo_figures.draw(study, table, output)
    demo_widths.show(out, study)
    demo_comparison.show(out, table)
    numbers = _save_numbers(output / "numbers.json", study, table)
    out.print("\n[bold]Figures[/bold]")
    for path, sentence in figures:
        out.print(f"  [bold]{path}[/bold]\n  [dim]{sentence}[/dim]", soft_wrap=False)
    out.print(f"  [bold]{numbers}[/bold]\n  [dim]All numbers of the tables above.[/dim]")


def _parsed(widths: str) -> list[int]:
    try:
        sizes = [int(width) for width in widths.split(",")]
    except ValueError:
        raise ValueError(f"--widths must be whole numbers with commas between; received {widths!r}") from None
    if len(sizes) < 2 or sizes != sorted(set(sizes)) or sizes[0] < 1:
        raise ValueError(f"--widths must be at least two ascending positive numbers; received {widths!r}")
    return sizes


def _save_numbers(path: Path, study: Any, table: Any) -> Path:
    import json

    from nnlimits.cli.files import write_text

    numbers = {"widths": study.numbers(), "comparison": table.numbers()}
    write_text(path, json.dumps(numbers, indent=2) + "\n")
    return path
