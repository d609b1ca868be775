"""`nnlimits mean-field langevin`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, positive, print_saved


@reported()
def langevin(
    temperature: Annotated[float, typer.Option(help="Of the noise.")] = 0.02,
    neurons: Annotated[int, typer.Option(help="How many particles.", min=2)] = 20_000,
    end: Annotated[float, typer.Option(help="Last time.")] = 100.0,
    cells: Annotated[int, typer.Option(help="Cells of the grid: a multiple of 50.", min=50)] = 200,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """Noisy neurons come to rest: particles, the density's equation and the Gibbs fixed point give one law.

    For example: nnlimits mean-field langevin --temperature 0.05
    """
    import numpy as np

    from nnlimits.cli import console
    from nnlimits.mean_field import experiments
    from nnlimits.plots import noisy_descent as plots
    from nnlimits.plots import save

    positive(end=end)
    if cells % 50:
        raise ValueError(f"--cells must be a multiple of 50; received {cells}")
    out, stages = console.output(), console.Stages()
    with stages.stage("noisy neurons three ways", 3) as advance:
        times = end * np.concatenate([[0.0], np.geomspace(0.005, 1, 16)])
        found = experiments.noisy_descent(temperature, m=neurons, times=times, cells=cells, seed=seed, advance=advance)
    _print_rest(out, found)
    print_saved(out, [save(plots.noisy_descent(found), folder / "langevin.png")])


def _print_rest(out: Any, found: Any) -> None:
    distance, expected = found.particle_distance()
    out.print(f"[bold]density from the Gibbs measure[/bold]    {found.density_distance:.2g} in total variation")
    out.print(
        f"[bold]particles from the Gibbs measure[/bold]  {distance:.2g}; independent draws would be {expected:.2g} from it"
    )
    out.print(
        f"[bold]free energy[/bold]  {found.free_energies[0]:.6g} to {found.free_energies[-1]:.6g}, "
        f"least {found.rest_free_energy:.6g}; of particles {found.particle_free_energies[-1]:.6g} (estimated)"
    )
    sure = found.sure_gaps[-1] / found.sure_gaps[0]
    out.print(f"[bold]log-Sobolev bound[/bold]  at most {sure:.3g} of the excess free energy is left at the end")
