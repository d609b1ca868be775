"""`nnlimits depth solvers`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.mean_field.common import Folder, Seed, print_saved


@reported()
def solvers(
    width: Annotated[int, typer.Option(help="Of the state.", min=1)] = 32,
    examples: Annotated[int, typer.Option(help="To train on, and as many to solve.", min=4)] = 256,
    steps: Annotated[int, typer.Option(help="Of training.", min=1)] = 200,
    budget: Annotated[int, typer.Option(help="The most evaluations of a solver.", min=1)] = 300,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """Plain iteration, Anderson acceleration and Broyden's method on the trained cell of an equilibrium network.

    For example: nnlimits depth solvers --width 64
    """
    from nnlimits.cli import console
    from nnlimits.infinite_depth import experiments
    from nnlimits.plots import fixed_point_solvers as plots
    from nnlimits.plots import save

    out, stages = console.output(), console.Stages()
    with stages.stage("training and solving", 5) as advance:
        found = experiments.fixed_point_solvers(
            width=width, examples=examples, steps=steps, budget=budget, seed=seed, advance=advance
        )
    _print_costs(out, found)
    print_saved(out, [save(plots.fixed_point_solvers(found), folder / "solvers.png")])


def _print_costs(out: Any, found: Any) -> None:
    from nnlimits.cli.tables import Column, numbers

    columns = [Column(curve.name, ".0f") for curve in found.curves]
    rows = []
    for i, tolerance in enumerate(found.tolerances):
        counts = [curve.evaluations[i] for curve in found.curves]
        rows.append((f"{tolerance:.0e}", [float(count) if count > 0 else float("nan") for count in counts]))
    out.print(numbers("Evaluations of the cell until all examples are solved", "tolerance", columns, rows))
    radius = found.spectral_radius
    out.print(
        f"trained accuracy {found.accuracy:.3f}; spectral radius of the cell at its fixed points: median "
        f"{sorted(radius)[len(radius) // 2]:.3f}, largest {max(radius):.3f}"
    )
