"""`nnlimits mean-field refinement`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, positive, print_saved, whole_numbers


@reported()
def refinement(
    cells: Annotated[str, typer.Option(help="Of an interval, with commas between.")] = "50,100,200,400",
    square: Annotated[str, typer.Option(help="Along each axis of a square, with commas between.")] = "50,100,200",
    neurons: Annotated[int, typer.Option(help="Particles to compare with; 0 to leave them out.", min=0)] = 100_000,
    temperature: Annotated[float, typer.Option(help="Of noisy particles.")] = 0.02,
    fine: Annotated[int, typer.Option(help="Cells along an axis for particles: a multiple of 10.", min=10)] = 200,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """The order of the finite volumes of the mean-field equation, and the equation against many particles.

    For example: nnlimits mean-field refinement --square 25,50,100
    """
    from nnlimits.cli import console
    from nnlimits.mean_field import experiments
    from nnlimits.plots import refinement as plots
    from nnlimits.plots import save

    counts = whole_numbers("--cells", cells), whole_numbers("--square", square)
    positive(temperature=temperature)
    if fine % 10:
        raise ValueError(f"--fine must be a multiple of 10; received {fine}")
    out, stages = console.output(), console.Stages()
    with stages.stage("errors under refinement", 2 * sum(map(len, counts))) as advance:
        found = experiments.refinement(*counts, advance=advance)
    _print_orders(out, found)
    compared = []
    if neurons:
        with stages.stage("density and particles", 4) as advance:
            options = {"m": neurons, "cells": fine, "seed": seed, "advance": advance}
            compared = [experiments.against_particles(value, **options) for value in (0.0, temperature)]
        _print_particles(out, compared)
    print_saved(out, [save(plots.refinement(found, compared), folder / "refinement.png")])


def _print_orders(out: Any, found: Any) -> None:
    from nnlimits.cli.tables import Column, numbers

    columns = [
        Column("temperature", ".2g"),
        Column("error", ".3g"),
        Column("order", ".2f"),
        Column("mass gained", ".1g"),
    ]
    rows = []
    for case in found:
        for i, (count, error, mass) in enumerate(zip(case.cells, case.errors, case.mass_errors, strict=True)):
            label = f"{count}" if case.axes == 1 else f"{count} x {count}"
            rows.append(
                (label, [case.temperature, float(error), float(case.orders[i - 1]) if i else float("nan"), float(mass)])
            )
    out.print(numbers("Against exact solutions, at time 1: sum of the cells' errors", "cells", columns, rows))


def _print_particles(out: Any, compared: Any) -> None:
    from nnlimits.cli.tables import Column, numbers

    names = ("temperature", "density's risk", "particles'", "its standard error", "distance", "of draws")
    forms = (".2g", ".6g", ".6g", ".2g", ".2g", ".2g")
    columns = [Column(name, form) for name, form in zip(names, forms, strict=True)]
    rows = []
    for case in compared:
        distance, expected = case.distances()
        values = case.density_risks, case.particle_risks, case.sampling_errors, distance, expected
        for i, time in enumerate(case.times):
            rows.append((f"{time:g}", [case.temperature, *(float(v[i]) for v in values)]))
    m = compared[0].particles.shape[1]
    out.print(numbers(f"Neurons a tanh(w x): the density against {m:,} particles", "time", columns, rows))
