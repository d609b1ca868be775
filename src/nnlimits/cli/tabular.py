"""From a data frame to what estimators learn from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits import datasets
from nnlimits.cli import targets


class Table(NamedTuple):
    """Features `(n, d)`, and targets: numbers, or classes 0, 1 and so on with their `names`."""

    x: Float[np.ndarray, "n d"]
    y: Any
    names: Any
    """`None` for regression."""


def load(path: Path, target: str, drop: Sequence[str]) -> Any:
    """The table in a file, without the columns to `drop`.

    **Raises:** `ValueError` if one of these or the target is not a column, or no feature is left.
    """
    frame = datasets.read_table(path)
    for name in (target, *drop):
        datasets.column(frame, name)
    if target in drop:
        raise ValueError(f"the target {target!r} cannot be dropped")
    frame = frame.drop(columns=list(drop))
    if len(frame.columns) < 2:
        raise ValueError(f"{path} has no columns beside the target {target!r} to predict it from")
    if len(frame) < 4:
        raise ValueError(f"{path} has {len(frame)} rows; at least 4 are needed")
    return frame


def task(frame: Any, target: str, wanted: str) -> targets.Task:
    """What the target column asks for."""
    datasets.check_complete(frame[target], target)
    return targets.as_task(wanted, frame[target])


def table(frame: Any, target: str, task: str) -> Table:
    """Features and targets as arrays."""
    x = datasets.numeric_features(frame, [name for name in frame.columns if name != target])
    if task == "regression":
        return Table(x, datasets.numeric_features(frame, [target])[:, 0], None)
    names, labels = np.unique(class_names(frame[target]), return_inverse=True)
    return Table(x, labels, names)


def class_names(values: Any) -> np.ndarray:
    """Labels as numbers or strings."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return values.astype(str).to_numpy(dtype=object).astype(str)
    return values.to_numpy()


def sample(full: Table, rows: int, seed: int) -> Table:
    """At most `rows` rows, drawn at random, with the classes that are among them."""
    if len(full.x) <= rows:
        return full
    chosen = np.sort(np.random.default_rng(seed).permutation(len(full.x))[:rows])
    if full.names is None:
        return Table(full.x[chosen], full.y[chosen], None)
    present, labels = np.unique(full.y[chosen], return_inverse=True)
    if len(present) < 2:
        raise ValueError(
            f"among {rows} rows drawn for the comparison there is one class only; give a larger --compare-rows"
        )
    return Table(full.x[chosen], labels, full.names[present])
