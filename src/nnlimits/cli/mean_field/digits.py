"""`nnlimits mean-field digits`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.labelled_images import TRAINING, labelled_images
from nnlimits.cli.mean_field.common import Folder, Seed, print_saved, whole_numbers


@reported()
def digits(
    file: Annotated[
        Path,
        typer.Argument(help="Images and labels, such as MNIST: an NPZ file with arrays Xtrain and ytrain, or X and y."),
    ],
    classes: Annotated[str, typer.Option(help="The two labels to tell apart, with a comma between.")] = "4,9",
    examples: Annotated[int, typer.Option(help="How many of both, the first in the file.", min=8)] = 300,
    widths: Annotated[
        str, typer.Option(help="Of both hidden layers, with commas between; two or more.")
    ] = "32,64,128,256,512,1024",
    seeds: Annotated[int, typer.Option(help="Networks of each width and scaling.", min=2)] = 3,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """Networks of three layers learn features in the mean-field scaling, and none in the kernel limit: two classes of images.

    For example: nnlimits mean-field digits mnist.npz --classes 3,5
    """
    from nnlimits.cli import console
    from nnlimits.mean_field import experiments
    from nnlimits.plots import feature_learning as plots
    from nnlimits.plots import save

    counts = whole_numbers("--widths", widths)
    if len(counts) < 2:
        raise ValueError(f"--widths must be two or more, to fit a slope; received {widths!r}")
    images, labels = labelled_images(file, TRAINING)
    x, y = experiments.two_classes(images, labels, _pair(classes), examples)
    out, stages = console.output(), console.Stages()
    with stages.stage("training", 2 * len(counts)) as advance:
        found = experiments.feature_learning(x, y, counts, seeds=seeds, seed=seed, advance=advance)
    _print_learned(out, "mean-field scaling", found, found.mean_field)
    _print_learned(out, "NTK scaling", found, found.ntk)
    print_saved(out, [save(plots.feature_learning(found), folder / "digits.png")])


def _pair(text: str) -> tuple[int, int]:
    try:
        first, second = (int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--classes must be two whole numbers, such as 4,9; received {text!r}") from None
    return first, second


def _print_learned(out: Any, scaling: str, found: Any, learned: Any) -> None:
    from nnlimits.cli.tables import Column, numbers

    names = ("steps", "loss", "movement of the first layer", "alignment before", "after")
    columns = [Column(n, form) for n, form in zip(names, (".0f", ".3f", ".4f", ".3f", ".3f"), strict=True)]
    rows = [(str(width), [float(part[i].mean()) for part in learned]) for i, width in enumerate(found.widths)]
    title = f"Until the loss is {found.target:.2g}: {scaling}, means of {learned.steps.shape[1]} networks"
    out.print(numbers(title, "width", columns, rows))
    rate = found.rate(learned)
    out.print(f"[bold]movement[/bold]  slope {rate.slope:.2f}, 95 % interval {rate.low:.2f} to {rate.high:.2f}")
    if late := int((learned.losses >= found.target).sum()):
        out.print(f"[yellow]{late} of {learned.losses.size} networks did not reach that loss in time[/yellow]")
