"""`nnlimits predict`: what a saved model says of new rows."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported


@reported()
def predict(
    model: Annotated[Path, typer.Argument(help="Model saved by nnlimits fit. Load only models that you trust.")],
    data: Annotated[
        Path, typer.Argument(help="CSV, Parquet or NPZ file with the same columns or array.", metavar="DATA")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="CSV file to write.")] = Path("predictions.csv"),
) -> None:
    """Write predictions for the rows of a table: mean and standard deviation, or the probability of each class."""
    from nnlimits.cli import console, files, models

    files.check_destination(output, data)
    fitted = models.load(model)
    x, known, ignored = _from_table(fitted, data) if fitted.array is None else _from_arrays(fitted, data)
    stages = console.Stages()
    with stages.stage(f"predicting {len(x):,} rows"):
        table, values = _predicted(fitted, x)
        with files.complete(output) as file:
            table.to_csv(file, index=False)
    out = console.output()
    if ignored:
        out.print(f"[dim]{ignored}[/dim]", markup=True)
    if known is not None:
        _print_scores(out, fitted, known, values)
    out.print(f"{len(x):,} predictions of {fitted.target} saved: [bold]{output}[/bold]", soft_wrap=True)


def _from_table(fitted: Any, data: Path) -> tuple[Any, Any, str]:
    """Features, the target if it is there, and a sentence on what is not used."""
    from nnlimits import datasets

    frame = datasets.read_table(data)
    x = datasets.numeric_features(frame, fitted.features)
    ignored = [name for name in frame.columns if name not in fitted.features and name != fitted.target]
    known = frame[fitted.target] if fitted.target in frame.columns else None
    return x, known, f"columns that the model does not use: {datasets.listed(ignored)}" if ignored else ""


def _from_arrays(fitted: Any, data: Path) -> tuple[Any, Any, str]:
    """Inputs with positions, the target if it is there, and a sentence on what is not used."""
    from nnlimits import datasets
    from nnlimits.cli import arrays

    found = datasets.read_arrays(data)
    name = fitted.array if fitted.array in found else arrays.inputs_name(found, data)
    x = arrays.matching(name, found[name], fitted.estimator.input_shape_)
    known = arrays.series(fitted.target, found[fitted.target], len(x)) if fitted.target in found else None
    ignored = [other for other in found if other not in (name, fitted.target)]
    return x, known, f"arrays that the model does not use: {datasets.listed(ignored)}" if ignored else ""


def _predicted(fitted: Any, x: Any) -> tuple[Any, Any]:
    """The table to write, and the same predictions as an array."""
    import numpy as np
    import pandas as pd

    if fitted.task == "regression":
        mean, std = fitted.estimator.predict(x, return_std=True)
        return pd.DataFrame({"mean": mean, "std": std}), np.stack([mean, std], axis=1)
    values = fitted.estimator.predict_proba(x)
    classes = fitted.estimator.classes_
    columns = {f"probability_{name}": values[:, i] for i, name in enumerate(classes)}
    return pd.DataFrame({"label": classes[values.argmax(1)], **columns}), values


def _print_scores(out: Any, fitted: Any, known: Any, values: Any) -> None:
    """How good the predictions are, where the data hold the target too; silent if it is not complete."""
    import numpy as np

    from nnlimits import datasets
    from nnlimits.cli import comparison, tabular
    from nnlimits.cli.tables import numbers

    if known.isna().any():
        return
    if fitted.task == "regression":
        columns = comparison.REGRESSION
        scores = comparison.regression_scores(
            datasets.numeric_features(known.to_frame(), [fitted.target])[:, 0], values
        )
    else:
        names = tabular.class_names(known)
        if not np.isin(names, fitted.estimator.classes_).all():
            return
        columns = comparison.CLASSIFICATION
        scores = comparison.classification_scores(np.searchsorted(fitted.estimator.classes_, names), values)
    out.print(
        numbers(
            "The data hold the target, so the predictions can be scored", "rows", columns, [(f"{len(known):,}", scores)]
        )
    )
