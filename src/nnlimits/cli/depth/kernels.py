"""`nnlimits depth kernels`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, print_saved, whole_numbers


@reported()
def kernels(
    depths: Annotated[
        str, typer.Option(help="Of networks of infinite width, with commas between; two or more.")
    ] = "4,16,64,256,1024",
    widths: Annotated[str, typer.Option(help="Of simulated networks, with commas between; two or more.")] = "24,48,96",
    draws: Annotated[int, typer.Option(help="Simulated networks of each width.", min=2)] = 400,
    inputs: Annotated[int, typer.Option(help="Of Gram matrices whose smallest eigenvalue is found.", min=2)] = 100,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """How fast kernels of deep networks approach those of infinite depth, and simulated networks both limits together.

    Theory: errors of depth are of order 1/L; kernels of single networks are off by width^-1/2, and their means by 1/width.

    For example: nnlimits depth kernels --widths 16,32,64,128
    """
    from nnlimits.cli import console
    from nnlimits.infinite_depth import experiments
    from nnlimits.infinite_depth.experiments.depth_kernels import work
    from nnlimits.plots import depth_kernels as plots
    from nnlimits.plots import save

    sizes = whole_numbers("--depths", depths), whole_numbers("--widths", widths)
    for name, given, found in (("--depths", depths, sizes[0]), ("--widths", widths, sizes[1])):
        if len(found) < 2:
            raise ValueError(f"{name} must be two or more, to fit a slope; received {given!r}")
    out, stages = console.output(), console.Stages()
    with stages.stage("kernels by depth and width", work(*sizes)) as advance:
        found = experiments.depth_kernels(*sizes, draws=draws, inputs=inputs, seed=seed, advance=advance)
    _print_rates(
        out, "Kernels of finite depth: relative errors", {name: (-1.0, found.rate(name)) for name in found.errors}
    )
    rates = {}
    for name, one in found.sampled.items():
        for kernel in one.offsets:
            rates[f"{name}, {kernel}: deviation"] = -0.5, one.scatter(kernel)
            rates[f"{name}, {kernel}: mean offset"] = -1.0, one.bias(kernel)
    _print_rates(out, f"{draws:,} simulated networks of each width", rates)
    if any(rate.slope != rate.slope for _, rate in rates.values()):
        out.print("[dim]- : the mean is within three standard errors of zero; more --draws would show it[/dim]")
    out.print(
        f"[bold]derivative in w_std[/bold]  of the NTK at depth {sizes[0][-1]:,}: {found.derivative_error:.2g} from that "
        "at infinite depth",
        soft_wrap=True,
    )
    name, smallest = min(found.smallest_eigenvalues.items(), key=lambda pair: pair[1])
    out.print(
        f"[bold]smallest eigenvalue[/bold]  of all Gram matrices of {inputs} inputs, by the mean one: {smallest:.2g} ({name})",
        soft_wrap=True,
    )
    print_saved(out, [save(plots.depth_kernels(found), folder / "depth_kernels.png")])


def _print_rates(out: Any, text: str, rates: dict[str, tuple[float, Any]]) -> None:
    from nnlimits.cli.tables import Column, numbers

    columns = [
        *(Column(n, ".2f") for n in ("promised", "slope", "from", "to")),
        *(Column(n, ".2g") for n in ("at the first", "at the last")),
    ]
    rows = [(name, [theory, r.slope, r.low, r.high, *r.errors[[0, -1]]]) for name, (theory, r) in rates.items()]
    out.print(numbers(text, "error", columns, rows))
