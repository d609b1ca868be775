"""What estimators learn from, and how it is made from a data frame."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits import datasets
from nnlimits.cli import targets


class Table(NamedTuple):
    """Inputs, features `(n, d)` or with positions, and targets: numbers, or classes 0, 1 and so on with their `names`."""

    x: Float[np.ndarray, "n ..."]
    y: Any
    names: Any
    """`None` for regression."""


class Dataset(NamedTuple):
    """What `fit` learns from."""

    table: Table
    task: targets.Task
    target: str
    features: list[str]
    """Columns, if it is a table."""
    array: str | None
    """The name of the array of inputs, if it is not."""
    about: str
    """How many rows of what."""


def dataset(path: Path, target: str | None, wanted: str, drop: Sequence[str]) -> Dataset:
    """The table in a file, without the columns to `drop`.

    **Raises:** `ValueError` if one of these or the target is not a column, or for values that cannot be learned from.
    """
    frame, target = load(path, target, drop)
    found = task(frame, target, wanted)
    features = [name for name in frame.columns if name != target]
    about = f"{len(frame):,} rows, {len(features)} features"
    return Dataset(table(frame, target, found.task), found, target, features, None, about)


def load(path: Path, target: str | None, drop: Sequence[str]) -> tuple[Any, str]:
    """The table in a file, without the columns to `drop`, and its target.

    **Raises:** `ValueError` if one of these or the target is not a column, or no feature is left.
    """
    frame = datasets.read_table(path)
    if target is None:
        raise ValueError(f"--target names the column to predict; the columns are {datasets.listed(frame.columns)}")
    for name in (target, *drop):
        datasets.column(frame, name)
    if target in drop:
        raise ValueError(f"the target {target!r} cannot be dropped")
    frame = frame.drop(columns=list(drop))
    if len(frame.columns) < 2:
        raise ValueError(f"{path} has no columns beside the target {target!r} to predict it from")
    if len(frame) < 4:
        raise ValueError(f"{path} has {len(frame)} rows; at least 4 are needed")
    return frame, target


def task(frame: Any, target: str, wanted: str) -> targets.Task:
    """What the target column asks for."""
    datasets.check_complete(frame[target], target)
    return targets.as_task(wanted, frame[target])


def table(frame: Any, target: str, task: str) -> Table:
    """Features and targets as arrays."""
    x = datasets.numeric_features(frame, [name for name in frame.columns if name != target])
    return with_targets(x, frame[target], task)


def with_targets(x: Float[np.ndarray, "n ..."], values: Any, task: str) -> Table:
    """Inputs, and a column of targets as an array."""
    if task == "regression":
        return Table(x, datasets.numeric_features(values.to_frame(), [values.name])[:, 0], None)
    names, labels = np.unique(class_names(values), return_inverse=True)
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
