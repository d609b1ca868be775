"""`nnlimits catapult`: what large learning rates do, to the solvable network and to one's own."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli import options
from nnlimits.cli.errors import reported


@reported()
def catapult(
    network: options.Network = "mlp",
    depth: options.Depth = None,
    width: options.Width = None,
    blocks: options.Blocks = None,
    kernel_size: options.KernelSize = None,
    activation: options.Activation = None,
    w_std: options.WStd = None,
    b_std: options.BStd = None,
    data: Annotated[
        Path | None, typer.Option(help="CSV, Parquet or NPZ file; scikit-learn's digits if left out.")
    ] = None,
    target: options.Target = None,
    rows: Annotated[int, typer.Option(help="Largest number of rows of the data to use.", min=2)] = 100,
    rates: Annotated[int, typer.Option(help="How many learning rates.", min=3)] = 16,
    steps: Annotated[int, typer.Option(help="Steps of gradient descent at each.", min=10)] = 100,
    figure: Annotated[Path, typer.Option(help="Save the figure here, as PNG.")] = Path("catapult.png"),
    seed: Annotated[int, typer.Option(help="Of the networks, and of which rows are drawn.")] = 0,
) -> None:
    """Lazy, catapult and divergent training by learning rate: the solvable two-layer linear network, and a network on data.

    For example: nnlimits catapult mlp --depth 2 --width 256 --figure catapult.png
    """
    from nnlimits import plots
    from nnlimits.cli import catapult_curves, console, networks, shapes
    from nnlimits.cli.explain import load

    if data is not None and target is None:
        raise ValueError("--data needs --target, what is to be predicted")
    given = options.given(
        depth=depth,
        width=width,
        blocks=blocks,
        kernel_size=kernel_size,
        activation=activation,
        w_std=w_std,
        b_std=b_std,
    )
    net = networks.resolve(network, given or ({"depth": 2, "width": 256, "b_std": 0.0} if network == "mlp" else {}))
    out, stages = console.output(), console.Stages()
    sample = load(network, net, data, target, data is None, rows, seed)
    shapes.of(network, net, None, sample.x.shape[1:])
    with stages.stage("two-layer linear network"):
        curves = {"two-layer linear": catapult_curves.closed_system(rates, steps, seed)}
    with stages.stage(f"this network on {sample.name}") as advance:
        found = catapult_curves.of_network(net, sample, rates, steps, seed, advance)
    curves["this network"] = found.curve
    _print(out, found)
    saved = plots.save(plots.catapult(curves, divergence={"this network": found.divergence}), figure)
    out.print(f"\nfigure saved: {saved}", soft_wrap=True)


def _print(out: Any, found: Any) -> None:
    import math

    from nnlimits.cli.catapult_curves import FARTHEST
    from nnlimits.cli.tables import Column, numbers

    thresholds = {
        "lazy below": 2.0,
        "loss first rises": found.rise,
        "two-layer linear network diverges": 4.0,
        "this network diverges": found.divergence,
    }
    rows = [(name, [at / found.curvature, at]) for name, at in thresholds.items() if math.isfinite(at)]
    columns = [Column("learning rate", ".4g"), Column("times curvature", ".3f")]
    out.print()
    out.print(numbers(f"Phases of training, by the curvature {found.curvature:.4g} before it", "phase", columns, rows))
    if not math.isfinite(found.divergence):
        out.print(
            f"At no learning rate up to {FARTHEST:g} over the curvature does the loss end higher than it began: units of a ReLU "
            "network may die before it diverges."
        )
    out.print(
        "[dim]The curvature is the largest eigenvalue of the empirical NTK over the number of targets. From where the loss first "
        "rises, it is thrown up, and training lands where it is flatter, until it diverges.[/dim]"
    )
