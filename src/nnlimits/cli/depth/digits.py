"""`nnlimits depth digits`."""

from pathlib import Path
from typing import Annotated

import typer

from nnlimits.cli.depth.common import Layers, Loss, Readout, Spread, Steps, Width, check_loss, print_training
from nnlimits.cli.errors import reported
from nnlimits.cli.images import labelled_images, pair_of_labels
from nnlimits.cli.mean_field.common import Folder, Seed, positive, print_saved


@reported()
def digits(
    file: Annotated[
        Path,
        typer.Argument(
            help="Images and labels, such as MNIST: an NPZ file with arrays Xtrain, ytrain, Xtest and ytest."
        ),
    ],
    classes: Annotated[str, typer.Option(help="The two labels to tell apart, with a comma between.")] = "4,9",
    examples: Annotated[int, typer.Option(help="How many of both, the first in the file.", min=8)] = 500,
    layers: Layers = 8,
    width: Width = 64,
    features: Annotated[int, typer.Option(help="The dimension of the state.", min=2)] = 48,
    steps: Steps = 1000,
    loss: Loss = "mse",
    readout: Readout = 10.0,
    spread: Spread = 1.0,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """A mean-field residual network learns two classes of images to zero loss, by the gradient flow of its law over depth.

    Test images are those of the file, or if it has none those that training leaves.

    For example: nnlimits depth digits mnist.npz --classes 3,5
    """
    from nnlimits.cli import console
    from nnlimits.infinite_depth import experiments
    from nnlimits.infinite_depth.experiments.residual_training import work
    from nnlimits.plots import residual_training as plots
    from nnlimits.plots import save

    check_loss(loss)
    positive(readout=readout)
    pair = pair_of_labels(classes)
    train, test = labelled_images(file, pair, examples)
    out, stages = console.output(), console.Stages()
    with stages.stage("training", work(steps)) as advance:
        found = experiments.residual_digits(
            train,
            test,
            pair,
            examples=examples,
            layers=layers,
            width=width,
            features=features,
            steps=steps,
            loss=loss,
            readout=readout,
            a_std=spread,
            seed=seed,
            advance=advance,
        )
    print_training(out, found, f"{examples} images of {pair[0]} and {pair[1]}")
    print_saved(out, [save(plots.residual_digits(found), folder / "digits.png")])
