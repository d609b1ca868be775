"""`nnlimits depth flow`."""

from pathlib import Path
from typing import Annotated

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, print_saved


@reported()
def flow(
    steps: Annotated[int, typer.Option(help="Of training.", min=1)] = 1500,
    width: Annotated[int, typer.Option(help="Of the field's two hidden layers.", min=1)] = 64,
    examples: Annotated[int, typer.Option(help="Points to train on.", min=256)] = 4096,
    learning_rate: Annotated[float, typer.Option(help="Of Adam, at first.")] = 1e-2,
    cells: Annotated[int, typer.Option(help="Along either axis of the density.", min=2)] = 120,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """Train a continuous normalizing flow on two moons by exact likelihood, and compare it with a normal law.

    For example: nnlimits depth flow --steps 200 --width 32
    """
    from nnlimits.cli import console
    from nnlimits.cli.tables import Column, numbers
    from nnlimits.infinite_depth import experiments
    from nnlimits.infinite_depth.experiments.flow import steps_told
    from nnlimits.plots import ode_networks, save

    out, stages = console.output(), console.Stages()
    with stages.stage("continuous flow", steps_told(steps)) as advance:
        found = experiments.flow(
            steps,
            width=width,
            examples=examples,
            learning_rate=learning_rate,
            cells=cells,
            seed=seed,
            advance=advance,
        )
    laws = {"continuous flow": found.flow, "normal law": found.gaussian}
    rows = [(name, [values.mean(), values.std(ddof=1) / len(values) ** 0.5]) for name, values in laws.items()]
    columns = [Column("mean log density", ".4f", max), Column("its standard error", ".1g")]
    out.print(numbers(f"On {len(found.held_out):,} points held out, in nats", "law", columns, rows))
    out.print(
        f"The density has the mass {found.mass:.4f} on the square that is shown; a path takes {found.steps} steps."
    )
    print_saved(out, [save(ode_networks.flow(found), folder / "flow.png")])
