"""`nnlimits depth adjoints`."""

from pathlib import Path
from typing import Annotated

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.mean_field.common import Folder, Seed, numbers_of, print_saved, whole_numbers


@reported()
def adjoints(
    tolerances: Annotated[str, typer.Option(help="Of the solver, with commas between.")] = "1e-10,1e-7,1e-4",
    steps: Annotated[str, typer.Option(help="Numbers of steps, with commas between.")] = "16,128,1024",
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """Gradients of an ODE network by its adjoint methods: how exact they are, and how much memory they take.

    For example: nnlimits depth adjoints --steps 16,4096
    """
    from nnlimits.cli import console
    from nnlimits.cli.tables import Column, numbers
    from nnlimits.infinite_depth import experiments
    from nnlimits.infinite_depth.experiments.adjoints import gradients_told
    from nnlimits.plots import ode_networks, save

    values, counts = numbers_of("--tolerances", tolerances), whole_numbers("--steps", steps)
    out, stages = console.output(), console.Stages()
    with stages.stage("gradients", gradients_told(values, counts)) as advance:
        found = experiments.adjoints(values, counts, seed=seed, advance=advance)
    rows = [(f"{value:g}", [errors[i] for errors in found.errors.values()]) for i, value in enumerate(values)]
    out.print(
        numbers("Errors of gradients, relative", "tolerance", [Column(name, ".2g") for name in found.errors], rows)
    )
    rows = [(f"{count}", [sizes[i] / found.state for sizes in found.memory.values()]) for i, count in enumerate(counts)]
    text = f"Memory of a gradient, in states of all examples ({found.state:,} bytes)"
    out.print(numbers(text, "steps", [Column(name, ".1f") for name in found.memory], rows))
    for name, difference in found.differences.items():
        out.print(
            f"[bold]{name}[/bold]  {difference:.1g} from the gradient of {counts[0]} residual blocks", soft_wrap=True
        )
    print_saved(out, [save(ode_networks.adjoints(found), folder / "adjoints.png")])
