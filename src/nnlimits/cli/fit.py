"""`nnlimits fit`: learn to predict a column of a table, and save the model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported

TASK_HELP = "regression or classification; found from the target if left at auto."
REGIME_HELP = "bayesian (NNGP) or trained (NTK); auto takes the one that is better in cross-validation."


@reported()
def fit(
    data: Annotated[Path, typer.Argument(help="CSV, Parquet or NPZ file.", metavar="DATA")],
    target: Annotated[str, typer.Option(help="Column to predict.")],
    model_out: Annotated[
        Path | None, typer.Option(help="Where the model is saved; the name of the data with .nnlimits if left out.")
    ] = None,
    task: Annotated[str, typer.Option(help=TASK_HELP)] = "auto",
    drop: Annotated[list[str] | None, typer.Option(help="Column to leave out; may be given several times.")] = None,
    regime: Annotated[str, typer.Option(help=REGIME_HELP)] = "auto",
    folds: Annotated[int, typer.Option(help="Folds of the cross-validation.", min=2)] = 5,
    compare_rows: Annotated[
        int, typer.Option(help="Rows at most for the comparison; the model learns from all.", min=20)
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Of folds and random draws.", min=0)] = 0,
) -> None:
    """Learn to predict a column of a table: select a network, compare it with other estimators, and save it."""
    from nnlimits.cli import console, files, tabular

    destination = model_out or Path(data.name).with_suffix(".nnlimits")
    files.check_destination(destination, data)
    if regime not in ("auto", "bayesian", "trained"):
        raise ValueError(f"--regime must be auto, bayesian or trained; received {regime!r}")
    out, stages = console.output(), console.Stages()
    frame = tabular.load(data, target, drop or [])
    found = tabular.task(frame, target, task)
    table = tabular.table(frame, target, found.task)
    _describe(out, frame, table, target, found)

    from nnlimits.cli import cross_validation, models

    sample = tabular.sample(table, compare_rows, seed)
    folds = cross_validation.possible_folds(sample, folds)
    builders = cross_validation.contestants(sample, seed)
    with stages.stage(f"{folds}-fold cross-validation on {len(sample.x)} rows", total=len(builders)) as advance:
        results = cross_validation.validate(sample, builders, folds, seed, advance)
    _show(out, table, results, folds, len(sample.x))
    if regime == "auto":
        regime = cross_validation.best_regime(results)
    with stages.stage(f"learning from all {len(table.x)} rows"):
        estimator = cross_validation.learn(table, regime, seed)
        features = [name for name in frame.columns if name != target]
        models.save(models.Model(found.task, target, features, estimator), destination)
    _conclude(out, estimator, regime, destination, data)


def _describe(out: Any, frame: Any, table: Any, target: str, found: Any) -> None:
    from rich.markup import escape

    out.print(
        f"{len(frame):,} rows, {table.x.shape[1]} features; "
        f"target [bold]{escape(target)}[/bold]: {found.task}, as {found.reason}."
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
