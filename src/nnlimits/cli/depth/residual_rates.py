"""`nnlimits depth residual-rates`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, positive, print_saved, whole_numbers


@reported()
def residual_rates(
    layers: Annotated[str, typer.Option(help="Numbers L of layers, with commas between; two or more.")] = "4,8,16,32",
    widths: Annotated[
        str, typer.Option(help="Numbers M of neurons, with commas between; two or more.")
    ] = "4,8,16,32,64",
    seeds: Annotated[int, typer.Option(help="Networks of each size.", min=4)] = 512,
    problems: Annotated[int, typer.Option(help="Laws over which errors of depth are a mean.", min=2)] = 6,
    steps: Annotated[int, typer.Option(help="Of training.", min=1)] = 40,
    step: Annotated[float, typer.Option(help="The size of a step, in the flow's unit of time.")] = 0.2,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """Residual networks of L layers and M neurons approach their mean-field limit: errors and their slopes, before and after
    training.

    Root mean square errors are of order 1/L + M^-1/2 for neurons followed through depth and 1/L + (L M)^-1/2 for independent
    ones; the expected risk, the bias and the mean square error are of order 1/L + 1/M.

    For example: nnlimits depth residual-rates --widths 4,16,64 --seeds 256
    """
    from nnlimits.cli import console
    from nnlimits.infinite_depth import experiments
    from nnlimits.infinite_depth.experiments.residual_rates import work
    from nnlimits.infinite_depth.mean_field_residual import Training
    from nnlimits.plots import residual_rates as plots
    from nnlimits.plots import save

    positive(step=step)
    sizes = whole_numbers("--layers", layers), whole_numbers("--widths", widths)
    for name, given, found in (("--layers", layers, sizes[0]), ("--widths", widths, sizes[1])):
        if len(found) < 2:
            raise ValueError(f"{name} must be two or more, to fit a slope; received {given!r}")
    out, stages = console.output(), console.Stages()
    with stages.stage("networks by depth and width", work(*sizes)) as advance:
        found = experiments.residual_rates(
            *sizes, seeds=seeds, problems=problems, training=Training(step, steps), seed=seed, advance=advance
        )
    for name, rates in (("at the start", found.before), (f"after {steps} steps of {step:g}", found.after)):
        _print_rates(out, name, rates)
    print_saved(out, [save(plots.residual_rates(found), folder / "residual_rates.png")])


def _print_rates(out: Any, name: str, found: Any) -> None:
    from nnlimits.cli.tables import Column, numbers

    outputs, risks = found.depth.by_problem
    rows = [
        ("depth L: outputs, root mean square", -1.0, outputs),
        ("depth L: risk", -1.0, risks),
    ]
    for kind, errors in (("followed", found.width_followed), ("independent", found.width_independent)):
        rows += [
            (f"width M, {kind}: outputs, root mean square", -0.5, errors.root_mean_square),
            (f"width M, {kind}: outputs, mean square", -1.0, errors.mean_square),
            (f"width M, {kind}: outputs, bias", -1.0, errors.bias),
            (f"width M, {kind}: expected risk", -1.0, errors.expected_risk),
        ]
    rows += [
        ("width's error by L, followed: root mean square", 0.0, found.layers_followed.root_mean_square),
        ("width's error by L, independent: root mean square", -0.5, found.layers_independent.root_mean_square),
    ]
    columns = [
        *(Column(n, ".2f") for n in ("promised", "slope", "from", "to")),
        *(Column(n, ".2g") for n in ("error at the first", "at the last")),
    ]
    cells = [(label, [promised, r.slope, r.low, r.high, *r.errors[[0, -1]]]) for label, promised, r in rows]
    out.print(numbers(f"Slopes {name}, where the risk of the limit is {found.risk:.2g}", "error", columns, cells))
    if any(r.slope != r.slope for _, _, r in rows):
        out.print("[dim]- : the mean is within three standard errors of zero; more --seeds would show it[/dim]")
