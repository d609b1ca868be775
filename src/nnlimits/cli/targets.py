"""What the target column of a table asks for: numbers, or classes."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits import datasets

MOST_CLASSES = 20
"""Whole numbers with at most so many different values are taken for classes."""

TASKS = ("auto", "regression", "classification")


class Task(NamedTuple):
    """`"regression"` or `"classification"`, and why."""

    task: str
    reason: str


def as_task(wanted: str, values: Any) -> Task:
    """The task for a target column: as wanted, or found from its values.

    **Raises:** `ValueError` for an unknown task, a regression on values that are not numbers, or a single class.
    """
    import pandas as pd

    if wanted not in TASKS:
        raise ValueError(f"--task must be one of {', '.join(TASKS)}; received {wanted!r}")
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    found = _detected(values, numeric) if wanted == "auto" else Task(wanted, "asked")
    if found.task == "regression" and not numeric:
        raise ValueError(
            f"regression needs numbers in the target column {values.name!r}; it holds {datasets.shown(values.iloc[0])}"
        )
    if values.nunique() < 2:
        kind = "class" if found.task == "classification" else "value"
        raise ValueError(
            f"the target column {values.name!r} holds one {kind} only, {datasets.shown(values.iloc[0])}; nothing can be learned"
        )
    return found


def encoded(values: Any, task: str) -> Float[np.ndarray, "n o"]:
    """Targets for squared error: standardised numbers, or one-hot codes that are centred."""
    if task == "regression":
        y = values.to_numpy(dtype=np.float64)[:, None]
        return (y - y.mean()) / y.std()
    labels = np.unique(values.to_numpy(), return_inverse=True)[1]
    codes = np.eye(labels.max() + 1)[labels]
    return codes - codes.mean(0)


def _detected(values: Any, numeric: bool) -> Task:
    distinct = values.nunique()
    if not numeric:
        return Task("classification", f"its {distinct} values are not numbers")
    whole = bool((values == values.round()).all())
    if whole and distinct <= MOST_CLASSES:
        return Task("classification", f"it holds {distinct} different whole numbers")
    return Task("regression", f"it holds {distinct} different numbers")
