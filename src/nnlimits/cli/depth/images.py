"""`nnlimits depth images`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, positive, print_saved
from nnlimits.cli.images import TEST, TRAINING, labelled_images, with_channels


@reported()
def images(
    file: Annotated[
        Path,
        typer.Argument(help="Images and labels, such as MNIST: an NPZ file with Xtrain, ytrain, Xtest and ytest."),
    ],
    examples: Annotated[int, typer.Option(help="How many images to train on, the first in the file.", min=16)] = 10_000,
    channels: Annotated[int, typer.Option(help="Of the residual network.", min=1)] = 16,
    epochs: Annotated[int, typer.Option(help="Passes through the images.", min=1)] = 8,
    batch_size: Annotated[int, typer.Option(help="Images a step.", min=1)] = 64,
    learning_rate: Annotated[float, typer.Option(help="Of Adam, for all three networks.")] = 2e-3,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """An ODE network and an equilibrium network against a residual network with as many parameters.

    For example: nnlimits depth images mnist.npz --examples 10000
    """
    import numpy as np

    from nnlimits.cli import console
    from nnlimits.infinite_depth import experiments
    from nnlimits.plots import images as plots
    from nnlimits.plots import save

    positive(**{"learning-rate": learning_rate})
    x, y = labelled_images(file, TRAINING)
    x_test, y_test = labelled_images(file, TEST)
    classes, labels = np.unique(y[:examples], return_inverse=True)
    known = np.isin(y_test, classes)
    x_test, y_test = with_channels(x_test)[known], np.searchsorted(classes, y_test[known])
    out, stages = console.output(), console.Stages()
    if not known.all():
        out.print(f"[bold]left out[/bold]  {(~known).sum():,} images to test on, of classes without one to train on")
    with stages.stage("training three networks", 3 * epochs) as advance:
        found = experiments.compare_on_images(
            with_channels(x[:examples]),
            labels,
            x_test,
            y_test,
            channels=channels,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            advance=advance,
        )
    _print_models(out, found)
    print_saved(out, [save(plots.images(found), folder / "images.png")])


def _print_models(out: Any, found: Any) -> None:
    from nnlimits.cli.tables import Column, numbers

    columns = [
        Column("parameters", ",.0f"),
        Column("test accuracy", ".2%"),
        Column("test loss", ".4f"),
        Column("training s", ".0f"),
        Column("1st epoch s", ".0f"),
        Column("MB a step", ".0f"),
        Column("evals", ".1f"),
    ]
    rows = [
        (
            model.name,
            [
                model.parameters,
                model.accuracy,
                model.test_loss,
                float(model.seconds[-1]),
                float(model.seconds[0]),
                model.memory / 1e6,
                float(model.evaluations[-1]),
            ],
        )
        for model in found.models
    ]
    title = f"{found.examples:,} images to train on, {found.test_examples:,} to test"
    out.print(numbers(title, "network", columns, rows))
