"""`nnlimits fit`: learn to predict a column of a table, or the targets of images, sequences or graphs, and save the model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli import options
from nnlimits.cli.errors import reported

TASK_HELP = "regression or classification; found from the target if left at auto."
REGIME_HELP = "bayesian (NNGP) or trained (NTK); auto takes the one that is better in cross-validation."


PRESET_HELP = (
    "A preset such as mlp or cnn, or a Python file that defines net; mlp for tables and cnn for images if left out."
)
ROWS_HELP = "Rows at most for the comparison; the model learns from all. 1000, or 500 with positions."


@reported()
def fit(
    data: Annotated[
        Path,
        typer.Argument(
            help="CSV, Parquet or NPZ file; images, sequences or graphs as NPZ with arrays X (or x, or images) and y.",
            metavar="DATA",
        ),
    ],
    target: Annotated[
        str | None, typer.Option(help="Column to predict; of arrays, the one to predict, y or labels if left out.")
    ] = None,
    model_out: Annotated[
        Path | None, typer.Option(help="Where the model is saved; the name of the data with .nnlimits if left out.")
    ] = None,
    task: Annotated[str, typer.Option(help=TASK_HELP)] = "auto",
    drop: Annotated[list[str] | None, typer.Option(help="Column to leave out; may be given several times.")] = None,
    preset: Annotated[str | None, typer.Option("--preset", "--network", help=PRESET_HELP)] = None,
    depth: options.Depth = None,
    width: options.Width = None,
    blocks: options.Blocks = None,
    kernel_size: options.KernelSize = None,
    activation: options.Activation = None,
    w_std: options.WStd = None,
    b_std: options.BStd = None,
    regime: Annotated[str, typer.Option(help=REGIME_HELP)] = "auto",
    folds: Annotated[int, typer.Option(help="Folds of the cross-validation.", min=2)] = 5,
    compare_rows: Annotated[int | None, typer.Option(help=ROWS_HELP, min=20)] = None,
    seed: Annotated[int, typer.Option(help="Of folds and random draws.", min=0)] = 0,
) -> None:
    """Learn to predict a column of a table, or the labels of images: select a network, compare it with others, and save it.

    Of a network, the scales of weights and biases are selected, starting from those that it has.

    For example: nnlimits fit digits.npz --preset cnn --depth 2
    """
    from nnlimits.cli import console, files, tabular

    destination = model_out or Path(data.name).with_suffix(".nnlimits")
    files.check_destination(destination, data)
    if regime not in ("auto", "bayesian", "trained"):
        raise ValueError(f"--regime must be auto, bayesian or trained; received {regime!r}")
    out, stages = console.output(), console.Stages()
    given = options.given(
        depth=depth,
        width=width,
        blocks=blocks,
        kernel_size=kernel_size,
        activation=activation,
        w_std=w_std,
        b_std=b_std,
    )
    dataset, network = _read(data, target, task, drop or [], preset, given)
    _describe(out, dataset)

    from nnlimits.cli import cross_validation, models

    table = dataset.table
    sample = tabular.sample(table, compare_rows or (1000 if dataset.array is None else 500), seed)
    folds = cross_validation.possible_folds(sample, folds)
    builders = cross_validation.contestants(sample, seed, network)
    with stages.stage(f"{folds}-fold cross-validation on {len(sample.x)} rows", total=len(builders)) as advance:
        results = cross_validation.validate(sample, builders, folds, seed, advance)
    _show(out, table, results, folds, len(sample.x))
    if regime == "auto":
        regime = cross_validation.best_regime(results)
    with stages.stage(f"learning from all {len(table.x)} rows"):
        estimator = cross_validation.learn(table, regime, seed, network)
        model = models.Model(dataset.task.task, dataset.target, dataset.features, estimator, dataset.array)
        models.save(model, destination)
    _conclude(out, estimator, regime, destination, data)


def _read(
    data: Path, target: str | None, task: str, drop: list[str], preset: str | None, given: dict[str, Any]
) -> tuple[Any, Any]:
    """The data, and the network that is to learn them."""
    from nnlimits.cli import arrays, tabular

    positions = arrays.hold_positions(data)
    network: Any = "auto"
    if preset is not None or given or positions:
        from nnlimits.cli import networks

        name = preset or ("cnn" if positions else "mlp")
        network = networks.resolve(name, given)
        if positions or (data.suffix.lower() == ".npz" and networks.takes_tokens(network)):
            if drop:
                raise ValueError(f"--drop leaves out columns of a table; {data} holds arrays with positions")
            return arrays.load(data, target, task, network, images=name in networks.FOR_IMAGES), network
    dataset = tabular.dataset(data, target, task, drop)
    if not isinstance(network, str):
        arrays.check_taken("the table", dataset.table.x, network)
    return dataset, network


def _describe(out: Any, dataset: Any) -> None:
    from rich.markup import escape

    out.print(
        f"{escape(dataset.about)}; "
        f"target [bold]{escape(dataset.target)}[/bold]: {dataset.task.task}, as {dataset.task.reason}."
    )
    if dataset.array is not None:
        out.print(
            "[dim]Channels are standardised over examples and positions, so pixels from 0 to 255 need no scaling; tokens, "
            "edges and padding stay as they are. The other estimators see each example as one row of numbers.[/dim]"
        )


def _show(out: Any, table: Any, results: Any, folds: int, rows: int) -> None:
    from nnlimits.cli import comparison
    from nnlimits.cli.tables import numbers

    columns = comparison.REGRESSION if table.names is None else comparison.CLASSIFICATION
    lines = [(name, [*result.scores, result.seconds]) for name, result in results.items()]
    title = f"Held-out predictions of {rows:,} rows, {folds}-fold cross-validation"
    out.print()
    out.print(numbers(title, "estimator", [*columns, comparison.SECONDS], lines))
    if table.names is None:
        note = (
            "RMSE is in the units of the target. NLL is the mean of -log(predictive density): lower is better. Coverage is how "
            "many targets fell inside the interval that should hold 95 % of them."
        )
    else:
        note = (
            "NLL is the mean of -log(probability of the right class): lower is better. Calibration error is the mean gap between "
            "confidence and accuracy."
        )
    out.print(f"[dim]{note}[/dim]\n")


def _conclude(out: Any, estimator: Any, regime: str, destination: Path, data: Path) -> None:
    from nnlimits.cli.cross_validation import REGIMES

    out.print(
        f"Selected: {REGIMES[regime]}, noise variance {estimator.noise_:.3g} in units of the standardised target,"
    )
    out.print(f"  {estimator.network_!r}", soft_wrap=True)
    if estimator.jitter_ > 0:
        out.print(
            f"  [dim]A jitter of {estimator.jitter_:.3g} was added to the kernel, which was ill-conditioned.[/dim]"
        )
    out.print(f"model saved: [bold]{destination}[/bold]", soft_wrap=True)
    out.print(
        f"[dim]Predict with: nnlimits predict {destination} NEW{data.suffix} --output predictions.csv[/dim]",
        soft_wrap=True,
    )
