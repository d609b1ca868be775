"""`nnlimits mean-field regimes`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, numbers_of, positive, print_saved


@reported()
def regimes(
    alphas: Annotated[
        str, typer.Option(help="Scales of the output, with commas between.")
    ] = "1,2,4,8,16,32,64,128,256",
    neurons: Annotated[int, typer.Option(help="An even number.", min=2)] = 256,
    dimension: Annotated[int, typer.Option(help="Of the inputs.", min=1)] = 10,
    teacher: Annotated[int, typer.Option(help="Neurons of the teacher.", min=1)] = 3,
    examples: Annotated[int, typer.Option(help="For training.", min=1)] = 200,
    end: Annotated[float, typer.Option(help="Time of the flow.")] = 300.0,
    seeds: Annotated[int, typer.Option(help="Draws of teacher, data and neurons.", min=1)] = 5,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """From mean-field (alpha = 1) to lazy training (the NTK at alpha = sqrt(neurons)): what is learned at each scale.

    For example: nnlimits mean-field regimes --alphas 1,16,256 --seeds 3
    """
    from nnlimits.cli import console
    from nnlimits.mean_field import experiments
    from nnlimits.plots import regimes as plots
    from nnlimits.plots import save

    scales = numbers_of("--alphas", alphas)
    positive(end=end)
    out, stages = console.output(), console.Stages()
    with stages.stage("from mean-field to lazy training", seeds) as advance:
        found = experiments.regimes(
            scales,
            m=neurons,
            dimension=dimension,
            teacher=teacher,
            examples=examples,
            end=end,
            seeds=seeds,
            seed=seed,
            advance=advance,
        )
    _print(out, found)
    print_saved(out, [save(plots.regimes(found), folder / "regimes.png")])


def _print(out: Any, found: Any) -> None:
    import numpy as np

    from nnlimits.cli.tables import Column, numbers

    names = ("risks", "test_risks", "weight_change", "kernel_change")
    means = [np.exp(np.log(getattr(found, name)).mean(1)) for name in names]
    rows = [(f"{a:g}", [a / found.m, *row]) for a, row in zip(found.alphas, zip(*means, strict=True), strict=True)]
    heads = ("alpha / m", "training", "held out", "change of weights", "change of kernel")
    columns = [Column(head, ".3g") for head in heads]
    text = f"Geometric means over {found.risks.shape[1]} draws, at time {found.time:g}"
    out.print(numbers(text, "alpha", columns, rows))
    for name, promised in (("weight_change", -1), ("kernel_change", -2)):
        rate = found.rate(name)
        if rate is not None:
            out.print(
                f"[bold]{name.replace('_', ' ')}[/bold]  alpha^{rate.slope:.3f}, 95 % in {rate.low:.3f} to {rate.high:.3f} "
                f"(theory: {promised}), from 4 sqrt(neurons) on",
                soft_wrap=True,
            )
