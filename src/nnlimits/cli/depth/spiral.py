"""`nnlimits depth spiral`."""

from pathlib import Path
from typing import Annotated

import typer

from nnlimits.cli.depth.common import Layers, Loss, Readout, Spread, Steps, Width, check_loss, print_training
from nnlimits.cli.errors import reported
from nnlimits.cli.mean_field.common import Folder, Seed, positive, print_saved


@reported()
def spiral(
    points: Annotated[int, typer.Option(help="Of both spirals, an even number.", min=4)] = 120,
    layers: Layers = 16,
    width: Width = 32,
    features: Annotated[int, typer.Option(help="The dimension of the state.", min=3)] = 4,
    steps: Steps = 2000,
    loss: Loss = "mse",
    readout: Readout = 3.0,
    spread: Spread = 1.0,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """A mean-field residual network learns two spirals to zero loss, by the gradient flow of its law over depth.

    For example: nnlimits depth spiral --layers 32 --width 64
    """
    from nnlimits.cli import console
    from nnlimits.infinite_depth import experiments
    from nnlimits.infinite_depth.experiments.residual_training import work
    from nnlimits.plots import residual_training as plots
    from nnlimits.plots import save

    check_loss(loss)
    positive(readout=readout)
    out, stages = console.output(), console.Stages()
    with stages.stage("training", work(steps)) as advance:
        found = experiments.residual_spiral(
            points,
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
    print_training(out, found, f"Two spirals of {points} points")
    print_saved(out, [save(plots.residual_spiral(found), folder / "spiral.png")])
