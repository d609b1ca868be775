"""`nnlimits catapult`: what large learning rates do, to the solvable network and to one's own."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli import options
from nnlimits.cli.errors import reported
from nnlimits.cli.explain import NETWORK_HELP


@reported()
def catapult(
    network: Annotated[str, typer.Argument(help=NETWORK_HELP, metavar="NETWORK")] = "mlp",
    depth: options.Depth = None,
    width: options.Width = None,
    activation: options.Activation = None,
    w_std: options.WStd = None,
    b_std: options.BStd = None,
    data: Annotated[
        Path | None, typer.Option(help="CSV, Parquet or NPZ file; scikit-learn's digits if left out.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Column or array of the data that is to be predicted.")] = None,
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
    from nnlimits.cli import catapult_curves, console, networks
    from nnlimits.cli.explain import load

    if data is not None and target is None:
        raise ValueError("--data needs --target, what is to be predicted")
    given = options.given(depth=depth, width=width, activation=activation, w_std=w_std, b_std=b_std)
    net = networks.resolve(network, given or ({"depth": 2, "width": 256, "b_std": 0.0} if network == "mlp" else {}))
    out, stages = console.output(), console.Stages()
    sample = load(network, net, data, target, data is None, rows, seed)
    with stages.stage("two-layer linear network"):
        curves = {"two-layer linear": catapult_curves.closed_system(rates, steps, seed)}
    with stages.stage(f"this network on {sample.name}") as advance:
        found = catapult_curves.of_network(net, sample, rates, steps, seed, advance)
    curves["this network"] = found.curve
    _print(out, found)
    saved = plots.save(plots.catapult(curves, divergence={"this network": found.divergence}), figure)
    out.print(f"\nfigure saved: {saved}", soft_wrap=True)


def _print(out: Any, found: Any) -> None:
    from nnlimits.cli.tables import Column, numbers

    rows = [
        ("lazy below", [2 / found.curvature, 2.0]),
        ("loss first rises", [found.rise / found.curvature, found.rise]),
        ("two-layer linear network diverges", [4 / found.curvature, 4.0]),
        ("this network diverges", [found.divergence / found.curvature, found.divergence]),
    ]
    columns = [Column("learning rate", ".4g"), Column("times curvature", ".3f")]
    out.print()
    out.print(numbers(f"Phases of training, by the curvature {found.curvature:.4g} before it", "phase", columns, rows))
    out.print(
        "[dim]The curvature is the largest eigenvalue of the empirical NTK over the number of targets. Between the first two and "
        "the last line the loss is thrown up, and training lands where it is flatter.[/dim]"
    )
