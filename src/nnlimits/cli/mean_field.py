"""`nnlimits mean-field`: the experiments of the literature on networks as distributions of neurons."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported

app = typer.Typer(no_args_is_help=True, help="Networks as distributions of neurons: experiments, with their figures.")

Folder = Annotated[Path, typer.Option(help="Save the figures in this folder, as PNG.")]
Seed = Annotated[int, typer.Option(help="Of all random draws.")]


@app.command("gaussians")
@reported()
def gaussians(
    delta: Annotated[float, typer.Option(help="Difference of the classes' spreads, 1 + delta and 1 - delta.")] = 0.8,
    dimension: Annotated[int, typer.Option(help="Of the inputs.", min=2)] = 40,
    neurons: Annotated[int, typer.Option(help="How many neurons.", min=2)] = 800,
    draws: Annotated[int, typer.Option(help="Independent draws of radial neurons.", min=1)] = 8,
    end: Annotated[float, typer.Option(help="Last time of the evolution.")] = 20.0,
    deltas: Annotated[int, typer.Option(help="Values of delta to separate the classes at; 0 for none.", min=0)] = 17,
    long: Annotated[float, typer.Option(help="Time of the flow at each of them.")] = 200.0,
    cells: Annotated[
        int, typer.Option(help="Cells of the grid over lengths, of the long flows a third.", min=30)
    ] = 1500,
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

    _positive(end=end, long=long)
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
            phases = experiments.separation(places, dimension=dimension, time=long, cells=cells // 3, advance=advance)
        _print_phases(out, phases)
        saved.append(save(plots.separation(phases), folder / "separation.png"))
    _print_saved(out, saved)


_SHARES = (0, 0.005, 0.015, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.85, 1)
"""Times of records over the last."""


@app.command("teacher")
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

    counts = _whole_numbers("--widths", widths)
    _positive(end=end)
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
    _print_saved(out, saved)


@app.command("langevin")
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

    _positive(end=end)
    if cells % 50:
        raise ValueError(f"--cells must be a multiple of 50; received {cells}")
    out, stages = console.output(), console.Stages()
    with stages.stage("noisy neurons three ways", 3) as advance:
        times = end * np.concatenate([[0.0], np.geomspace(0.005, 1, 16)])
        found = experiments.noisy_descent(temperature, m=neurons, times=times, cells=cells, seed=seed, advance=advance)
    _print_rest(out, found)
    _print_saved(out, [save(plots.noisy_descent(found), folder / "langevin.png")])


def _positive(**numbers: float) -> None:
    for name, value in numbers.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"--{name} must be finite and positive; received {value:g}")


def _whole_numbers(name: str, text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1 or list(found) != sorted(set(found)):
        raise ValueError(f"{name} must be whole numbers of at least 1 that ascend, such as 5,10,20; received {text!r}")
    return found


def _print_evolution(out: Any, found: Any) -> None:
    from nnlimits.cli.tables import Column, numbers

    columns = [Column(name, ".4f") for name in ("density", "radial neurons", "SGD", "W1 radial", "W1 SGD")]
    mean, distances = found.radial_risks.mean(0), found.distances.mean(0)
    values = zip(found.density_risks, mean, found.sgd_risks, distances, found.sgd_distances, strict=True)
    rows = [(f"{t:g}", [float(v) for v in row]) for t, row in zip(found.times, values, strict=True)]
    out.print(numbers("Risks, and Wasserstein-1 distances of lengths from the density", "time", columns, rows))


def _print_phases(out: Any, found: Any) -> None:
    from nnlimits.cli.tables import Column, numbers

    columns = [Column(name, ".4g") for name in ("flow", "its certified gap", "best measure", "best sphere")]
    values = zip(found.flow, found.flow_gap, found.best, found.sphere, strict=True)
    rows = [(f"{d:g}", [float(v) for v in row]) for d, row in zip(found.deltas, values, strict=True)]
    out.print(numbers(f"Risks at time {found.time:g}, and the least", "delta", columns, rows))
    out.print(
        f"Up to delta = {found.threshold:.4f} one sphere of neurons is best; from there on measures of several spheres are.",
        soft_wrap=True,
    )


def _print_success(out: Any, found: Any) -> None:
    from nnlimits.cli.tables import Column, numbers

    runs = found.risks.shape[1]
    rows = [
        (str(m), [int(k), float(r.min()), float(r.max())])
        for m, k, r in zip(found.widths, found.reached, found.risks, strict=True)
    ]
    columns = [Column(f"successes of {runs}", ".0f"), Column("least risk", ".2g"), Column("greatest", ".2g")]
    out.print(numbers("Last risks over the first", "neurons", columns, rows))
    rows = [(str(v.m), [v.risk, v.lowest, v.gap, v.lowered]) for v in found.verdicts]
    names = ("risk", "least variation", "certified gap", "risk its direction takes away")
    columns = [Column(name, form) for name, form in zip(names, (".2g", ".2g", ".2g", ".1%"), strict=True)]
    out.print(numbers("Certificates of each width's best and worst run", "neurons", columns, rows))


def _print_sparse(out: Any, found: Any) -> None:
    shares = ", ".join(f"{found.gathered(a)[-1]:.1%} within {a:g} degrees" for a in (1.0, 5.0, 10.0))
    out.print(f"Conic flow: {shares} of a neuron of the teacher; certified gap {found.gaps[-1]:.2g}.", soft_wrap=True)


def _print_rest(out: Any, found: Any) -> None:
    distance, expected = found.particle_distance()
    out.print(f"[bold]density from the Gibbs measure[/bold]    {found.density_distance:.2g} in total variation")
    out.print(
        f"[bold]particles from the Gibbs measure[/bold]  {distance:.2g}; independent draws would be {expected:.2g} from it"
    )
    out.print(
        f"[bold]free energy[/bold]  {found.free_energies[0]:.6g} to {found.free_energies[-1]:.6g}, "
        f"least {found.rest_free_energy:.6g}"
    )


def _print_saved(out: Any, paths: list[Path]) -> None:
    for path in paths:
        out.print(f"figure saved: {path}", soft_wrap=True)
