"""`nnlimits depth euler`."""

from pathlib import Path
from typing import Annotated

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, print_saved, whole_numbers


@reported()
def euler(
    depths: Annotated[str, typer.Option(help="Numbers of residual blocks, with commas between.")] = "4,16,64,256,1024",
    seeds: Annotated[int, typer.Option(help="Draws of the weights.", min=2)] = 8,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """How fast a residual network of depth L approaches its differential equation, and what it does otherwise.

    For example: nnlimits depth euler --depths 4,8,16,32
    """
    from nnlimits.cli import console
    from nnlimits.cli.tables import Column, numbers
    from nnlimits.infinite_depth import experiments
    from nnlimits.plots import ode_networks, save

    counts = whole_numbers("--depths", depths)
    out, stages = console.output(), console.Stages()
    with stages.stage("residual networks", 1 + len(counts)) as advance:
        found = experiments.euler(counts, seeds=seeds, seed=seed, advance=advance)
    errors = {name: found.rate(name) for name in found.errors}
    moved = {name: found.movement(name) for name in found.moved}
    tables = ("Distance from the differential equation", errors), ("Distance of the outputs from the inputs", moved)
    for text, rates in tables:
        rows = [(f"{depth}", [rate.errors[i] for rate in rates.values()]) for i, depth in enumerate(counts)]
        out.print(numbers(text, "depth L", [Column(name, ".3g") for name in rates], rows))
    promised = (-1.0, -2.0, 0.0, -0.5, 0.0)
    for (name, rate), theory in zip({**errors, **moved}.items(), promised, strict=True):
        interval = f"95 % in {rate.low:.3f} to {rate.high:.3f}"
        out.print(f"[bold]{name}[/bold]  L^{rate.slope:.3f}, {interval} (theory: {theory:g})", soft_wrap=True)
    print_saved(out, [save(ode_networks.euler(found), folder / "euler.png")])
