"""`nnlimits mean-field chaos`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, numbers_of, print_saved, whole_numbers


@reported()
def chaos(
    sizes: Annotated[str, typer.Option(help="Numbers of neurons, with commas between.")] = "16,64,256,1024,4096",
    steps: Annotated[
        str, typer.Option(help="Steps of stochastic descent, with commas between; empty to leave it out.")
    ] = "0.001,0.003,0.01,0.03,0.1",
    seeds: Annotated[int, typer.Option(help="Runs of each size.", min=2)] = 32,
    step_seeds: Annotated[int, typer.Option(help="Runs of each step.", min=2)] = 32,
    reference: Annotated[int, typer.Option(help="Neurons that stand for infinitely many.", min=2)] = 65_536,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """How fast finitely many neurons approach the mean-field limit, and stochastic descent its flow: rates with intervals.

    For example: nnlimits mean-field chaos --sizes 16,64,256 --reference 4096
    """
    from nnlimits.cli import console
    from nnlimits.mean_field import experiments
    from nnlimits.plots import propagation_of_chaos, save

    counts = whole_numbers("--sizes", sizes)
    lengths = numbers_of("--steps", steps) if steps.strip() else ()
    out, stages = console.output(), console.Stages()
    with stages.stage("propagation of chaos", 1 + len(counts) * seeds + len(lengths) * step_seeds) as advance:
        found = experiments.chaos(
            counts, lengths, seeds=seeds, reference=reference, step_seeds=step_seeds, seed=seed, advance=advance
        )
    _print(out, "From the limit, by the number of neurons m", "m^{:.3f}", -0.5, found.sizes)
    saved = [save(propagation_of_chaos(found.sizes), folder / "chaos.png")]
    if found.steps is not None:
        _print(out, "Of stochastic descent from the flow, by its step", "step^{:.3f}", 0.5, found.steps)
        out.print("The risk is not linear in the outputs: its error has a root of the step and a linear term.")
        saved.append(save(propagation_of_chaos(found.steps, scale="step", slope=0.5), folder / "steps.png"))
    print_saved(out, saved)


def _print(out: Any, text: str, power: str, promised: float, found: Any) -> None:
    from nnlimits.cli.tables import Column, numbers

    rates = {name: found.rate(name) for name in found.errors}
    rows = [
        (f"{scale:.4g}", [float(rate.errors[i]) for rate in rates.values()]) for i, scale in enumerate(found.scales)
    ]
    scale = power.split("^")[0]
    out.print(numbers(text, scale, [Column(name, ".3g") for name in rates], rows))
    for name, rate in rates.items():
        out.print(
            f"[bold]{name}[/bold]  {power.format(rate.slope)}, 95 % in {rate.low:.3f} to {rate.high:.3f} (theory: {promised:g})",
            soft_wrap=True,
        )
