"""`nnlimits depth shaped`."""

from pathlib import Path
from typing import Annotated

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, print_saved, whole_numbers


@reported()
def shaped(
    c_plus: Annotated[float, typer.Option(help="The slope above zero is 1 + c / sqrt(depth).")] = 1.0,
    c_minus: Annotated[float, typer.Option(help="The slope below zero is 1 + c / sqrt(depth).")] = -1.0,
    correlations: Annotated[str, typer.Option(help="Of two inputs, with commas between.")] = "0,-0.8,0.6",
    width: Annotated[int, typer.Option(help="Of the networks by correlation.", min=2)] = 128,
    widths: Annotated[str, typer.Option(help="With commas between, for the first correlation.")] = "16,32,64,128",
    depth_to_width: Annotated[float, typer.Option(help="The ratio of depth to width.")] = 1.0,
    networks: Annotated[
        int, typer.Option(help="Random networks of each kind; four times as many by width.", min=2)
    ] = 4096,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """Random networks that are as deep as they are wide: with shaped rectifiers the correlation of two inputs stays random, and
    follows a diffusion; with plain ones all inputs become alike.

    For example: nnlimits depth shaped --correlations=0.5,-0.5 --networks 2048
    """
    from nnlimits import nn
    from nnlimits.cli import console
    from nnlimits.cli.tables import Column, numbers
    from nnlimits.infinite_depth import experiments
    from nnlimits.infinite_depth.experiments.shaped import correlation_distance, work
    from nnlimits.plots import save
    from nnlimits.plots import shaped as plots

    starts, sizes = _correlations(correlations), whole_numbers("--widths", widths)
    out, stages = console.output(), console.Stages()
    with stages.stage("random networks", work(starts, sizes)) as advance:
        found = experiments.shaped(
            starts,
            sizes,
            width=width,
            depth_to_width=depth_to_width,
            activation=nn.ShapedRelu(c_plus, c_minus),
            networks=networks,
            seed=seed,
            advance=advance,
        )
    rows = []
    for case in found.cases:
        for name, sample in (("diffusion", case.diffusion), ("shaped", case.networks), ("plain", case.unshaped)):
            values = sample.correlations[:, 0, 1]
            distance = correlation_distance(sample, case.diffusion)
            away = (float("nan"), float("nan")) if name == "diffusion" else distance
            rows.append((f"{case.correlation:g}, {name}", [values.mean(), values.std(), *away]))
    names = ("mean", "standard deviation", "distance", "its noise")
    heading = f"Correlation of the outputs at width {width:,} and depth {found.cases[0].depth:,}"
    out.print(numbers(heading, "inputs", [Column(name, ".3f") for name in names], rows))
    by_width = [(f"{size:,}", distance) for size, distance in zip(sizes, found.distances, strict=True)]
    heading = f"Distance from the diffusion, by the width, inputs {starts[0]:g}"
    out.print(numbers(heading, "width", [Column(name, ".4f") for name in names[2:]], by_width))
    print_saved(out, [save(plots.shaped(found), folder / "shaped.png")])


def _correlations(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(-1 < rho < 1 for rho in found):
        raise ValueError(f"--correlations must be numbers above -1 and below 1, such as 0,0.5; received {text!r}")
    return found
