"""`nnlimits depth adjoints`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, numbers_of, print_saved, whole_numbers


@reported()
def adjoints(
    tolerances: Annotated[str, typer.Option(help="Of the solver, with commas between.")] = "1e-10,1e-7,1e-4",
    steps: Annotated[str, typer.Option(help="Numbers of steps, with commas between.")] = "16,128,1024",
    processes: Annotated[
        str, typer.Option(help="Steps whose memory processes of their own show too, such as 16,256; empty for none.")
    ] = "",
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
    measured = whole_numbers("--processes", processes) if processes.strip() else ()
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
    if measured:
        _print_processes(out, stages, list(found.memory), measured)
    print_saved(out, [save(ode_networks.adjoints(found), folder / "adjoints.png")])


def _print_processes(out: Any, stages: Any, names: list[str], counts: tuple[int, ...]) -> None:
    from nnlimits.cli.tables import Column, numbers
    from nnlimits.infinite_depth.experiments.process_memory import process_memory

    rows = []
    with stages.stage("processes of their own", len(counts) * len(names)) as advance:
        for count in counts:
            rows.append((f"{count}", []))
            for name in names:
                rows[-1][1].append(process_memory(name, count))
                advance(f"{name}, {count} steps")
    text = "Rise of a process's peak memory by one gradient, in states of all examples"
    out.print(numbers(text, "steps", [Column(name, ".1f") for name in names], rows))
