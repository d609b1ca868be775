"""`nnlimits mean-field layers`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, print_saved, whole_numbers


@reported()
def layers(
    widths: Annotated[
        str, typer.Option(help="Of both hidden layers, with commas between; two or more.")
    ] = "32,64,128,256,512,1024",
    seeds: Annotated[int, typer.Option(help="Networks of each width.", min=2)] = 16,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """Networks with two hidden layers approach their mean-field limit (Pham & Nguyen 2021): errors by width, and their slopes.

    For example: nnlimits mean-field layers --widths 32,128,512 --seeds 8
    """
    from nnlimits.cli import console
    from nnlimits.mean_field import experiments
    from nnlimits.plots import save
    from nnlimits.plots import three_layers as plots

    counts = whole_numbers("--widths", widths)
    if len(counts) < 2:
        raise ValueError(f"--widths must be two or more, to fit a slope; received {widths!r}")
    out, stages = console.output(), console.Stages()
    with stages.stage("networks by width", 2 * (1 + len(counts))) as advance:
        found = experiments.three_layers(counts, seeds=seeds, seed=seed, advance=advance)
    _print_errors(out, "weights that are functions of labels", found.labelled)
    _print_errors(out, "independent weights", found.independent)
    print_saved(out, [save(plots.three_layers(found), folder / "layers.png")])


def _print_errors(out: Any, start: str, found: Any) -> None:
    from nnlimits.cli.tables import Column, numbers

    rates = {name: found.rate(name) for name in found.errors}
    columns = [Column(name, ".2g") for name in rates]
    rows = [(f"{width:g}", [float(rate.errors[i]) for rate in rates.values()]) for i, width in enumerate(found.scales)]
    out.print(numbers(f"Errors, from {start}", "width", columns, rows))
    for name, rate in rates.items():
        out.print(f"[bold]{name}[/bold]  slope {rate.slope:.2f}, 95 % interval {rate.low:.2f} to {rate.high:.2f}")
