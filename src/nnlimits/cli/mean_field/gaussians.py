"""`nnlimits mean-field gaussians`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, positive, print_saved


@reported()
def gaussians(
    delta: Annotated[float, typer.Option(help="Difference of the classes' spreads, 1 + delta and 1 - delta.")] = 0.8,
    dimension: Annotated[int, typer.Option(help="Of the inputs.", min=2)] = 40,
    neurons: Annotated[int, typer.Option(help="How many neurons.", min=2)] = 800,
    draws: Annotated[int, typer.Option(help="Independent draws of radial neurons.", min=1)] = 8,
    end: Annotated[float, typer.Option(help="Last time of the evolution.")] = 20.0,
    deltas: Annotated[int, typer.Option(help="Values of delta to separate the classes at; 0 for none.", min=0)] = 17,
    long: Annotated[float, typer.Option(help="Time of the flow at each of them.")] = 200.0,
    cells: Annotated[int, typer.Option(help="Cells of the grid over lengths.", min=10)] = 1500,
    resolution: Annotated[int, typer.Option(help="Cells of the long flows for each unit of length.", min=5)] = 50,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """Two isotropic Gaussian classes, one inside the other (Mei, Montanari & Nguyen 2018): SGD against the density.

    For example: nnlimits mean-field gaussians --delta 0.8 --folder figures
    """
    import numpy as np

    from nnlimits.cli import console
    from nnlimits.mean_field import experiments
    from nnlimits.plots import isotropic_gaussians as plots
    from nnlimits.plots import save

    positive(end=end, long=long)
    out, stages = console.output(), console.Stages()
    with stages.stage(f"one evolution three ways, delta {delta:g}", 3) as advance:
        times = np.round(end * np.array(_SHARES), 6)
        found = experiments.isotropic_gaussians(
            delta, dimension=dimension, m=neurons, times=times, draws=draws, cells=cells, seed=seed, advance=advance
        )
    _print_evolution(out, found)
    saved = [save(plots.isotropic_gaussians(found), folder / "gaussians.png")]
    if deltas:
        with stages.stage("best measures and long flows", deltas) as advance:
            places = np.linspace(0.1, 0.9, deltas).round(4)
            phases = experiments.separation(
                places,
                dimension=dimension,
                times=(long / 16, long / 4, long),
                resolution=resolution,
                advance=advance,
            )
        _print_phases(out, phases)
        saved.append(save(plots.separation(phases), folder / "separation.png"))
    print_saved(out, saved)


_SHARES = (0, 0.005, 0.015, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.85, 1)
"""Times of records over the last."""


def _print_evolution(out: Any, found: Any) -> None:
    from nnlimits.cli.tables import Column, numbers

    columns = [Column(name, ".4f") for name in ("density", "radial neurons", "SGD", "W1 radial", "W1 SGD")]
    mean, distances = found.radial_risks.mean(0), found.distances.mean(0)
    values = zip(found.density_risks, mean, found.sgd_risks, distances, found.sgd_distances, strict=True)
    rows = [(f"{t:g}", [float(v) for v in row]) for t, row in zip(found.times, values, strict=True)]
    out.print(numbers("Risks, and Wasserstein-1 distances of lengths from the density", "time", columns, rows))


def _print_phases(out: Any, found: Any) -> None:
    from nnlimits.cli.tables import Column, numbers

    names = [*(f"flow at {time:g}" for time in found.times), "its certified gap", "best measure", "best sphere"]
    columns = [Column(name, ".4g") for name in names]
    rows = [
        (
            f"{found.deltas[i]:g}",
            [*map(float, found.flow[i]), float(found.flow_gap[i, -1]), float(found.best[i]), float(s)],
        )
        for i, s in enumerate(found.sphere)
    ]
    out.print(numbers("Risks of the flow, and the least", "delta", columns, rows))
    out.print(
        f"Up to delta = {found.threshold:.4f} one sphere of neurons is best; from there on measures of several spheres are.",
        soft_wrap=True,
    )
