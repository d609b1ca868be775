"""`nnlimits mean-field teacher`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, positive, print_saved, whole_numbers


@reported()
def teacher(
    widths: Annotated[str, typer.Option(help="Numbers of neurons, with commas between.")] = "4,5,6,7,8,10,12,15,20",
    teacher: Annotated[int, typer.Option(help="Neurons of the teacher.", min=1)] = 5,
    dimension: Annotated[int, typer.Option(help="Of the inputs.", min=1)] = 5,
    seeds: Annotated[int, typer.Option(help="Runs of each width.", min=1)] = 20,
    steps: Annotated[int, typer.Option(help="Steps of descent.", min=1)] = 30_000,
    neurons: Annotated[int, typer.Option(help="Neurons of the conic flow; 0 to leave it out.", min=0)] = 100,
    end: Annotated[float, typer.Option(help="Last time of the conic flow.")] = 60_000.0,
    folder: Folder = Path(),
    seed: Seed = 3,
) -> None:
    """Whether descent finds a ReLU network of few neurons, by how many it has (Chizat & Bach 2018), and conic flow.

    For example: nnlimits mean-field teacher --widths 5,10,20 --seeds 20
    """
    from nnlimits.cli import console
    from nnlimits.mean_field import experiments
    from nnlimits.plots import save
    from nnlimits.plots import teacher_student as plots

    counts = whole_numbers("--widths", widths)
    positive(end=end)
    out, stages = console.output(), console.Stages()
    options = {"teacher": teacher, "dimension": dimension, "seed": seed}
    with stages.stage("descent by width", len(counts)) as advance:
        found = experiments.teacher_student(counts, seeds=seeds, steps=steps, advance=advance, **options)
    _print_success(out, found)
    saved = [save(plots.teacher_student(found), folder / "teacher.png")]
    if neurons:
        with stages.stage("conic flow", 11) as advance:
            sparse = experiments.sparse_recovery(m=neurons, end=end, advance=advance, **options)
        _print_sparse(out, sparse)
        saved.append(save(plots.sparse_recovery(sparse), folder / "sparse.png"))
    print_saved(out, saved)


def _print_success(out: Any, found: Any) -> None:
    from nnlimits.cli.tables import Column, numbers

    runs = found.risks.shape[1]
    rows = [
        (str(m), [int(k), float(r.min()), float(r.max())])
        for m, k, r in zip(found.widths, found.reached, found.risks, strict=True)
    ]
    columns = [Column(f"successes of {runs}", ".0f"), Column("least risk", ".2g"), Column("greatest", ".2g")]
    out.print(numbers("Last risks over the first", "neurons", columns, rows))
    columns = [Column(name, ".2g") for name in ("risk", "least variation", "certified gap")]
    rows = [(str(v.m), [v.risk, v.lowest, v.gap]) for v in found.verdicts if v.succeeded]
    if rows:
        title = "Certificates of each width's best and worst success, after more steps"
        out.print(numbers(title, "neurons", columns, rows))
    rows = [(str(v.m), [v.risk, v.lowest, v.gap, v.lowered]) for v in found.verdicts if not v.succeeded]
    if rows:
        columns.append(Column("risk its direction takes away", ".1%"))
        out.print(numbers("Certificates of each width's best and worst failure", "neurons", columns, rows))


def _print_sparse(out: Any, found: Any) -> None:
    shares = ", ".join(f"{found.gathered(a)[-1]:.1%} within {a:g} degrees" for a in (1.0, 5.0, 10.0))
    out.print(f"Conic flow: {shares} of a neuron of the teacher; certified gap {found.gaps[-1]:.2g}.", soft_wrap=True)
