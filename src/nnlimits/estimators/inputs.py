"""Tables and other arrays of examples in, arrays out: what scikit-learn checks, with errors that name the place."""

import math
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data


def features(estimator: Any, X: Any, *, reset: bool) -> np.ndarray:
    """The examples as a float64 array, `(n, d)` or `(n, *positions, channels)`.

    With `reset`, their shape, and the number and names of features, are remembered by the estimator.

    **Raises:** `ValueError` for a column that is not numeric, NaN or infinite entries (with their place), a wrong rank, no
    rows, or other features than at fit time; `TypeError` for entries that are no numbers at all.
    """
    if _rank(X) > 2 or (not reset and len(estimator.input_shape_) > 1):
        return _examples_with_positions(estimator, X, reset=reset)
    x = table(estimator, X, reset=reset)
    if reset:
        estimator.input_shape_ = x.shape[1:]
    return x


def table(estimator: Any, X: Any, *, reset: bool) -> np.ndarray:
    """The rows of a table as a float64 array, `(n, d)`; errors and what is remembered as of `features`."""
    _check_numeric_columns(X)
    x = validate_data(estimator, X, reset=reset, dtype=np.float64, ensure_all_finite=False)
    check_finite_table("X", x, getattr(estimator, "feature_names_in_", None))
    return x


def _examples_with_positions(estimator: Any, X: Any, *, reset: bool) -> np.ndarray:
    x = np.asarray(X)
    if x.dtype.kind not in "biufO":
        raise ValueError(f"X must be an array of real numbers; received dtype {x.dtype}")
    try:
        x = x.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"X must be an array of real numbers; {error}") from error
    name, shape = type(estimator).__name__, x.shape[1:]
    if not reset and shape != estimator.input_shape_:
        hint = "; for one example write X[None]" if x.shape == estimator.input_shape_ else ""
        raise ValueError(
            f"X has examples of shape {shape}, but {name} was fitted to examples of shape {estimator.input_shape_}{hint}"
        )
    if 0 in x.shape:
        raise ValueError(f"X has shape {x.shape}; at least one example, and no axis of length zero, is needed")
    check_finite_table("X", x, None)
    if reset:
        estimator.input_shape_, estimator.n_features_in_ = shape, math.prod(shape)
        if hasattr(estimator, "feature_names_in_"):  # of a table that it was fitted to before
            del estimator.feature_names_in_
    return x


def _rank(X: Any) -> int:
    if hasattr(X, "ndim"):
        return X.ndim
    try:
        return np.asarray(X).ndim
    except ValueError:  # lists of different lengths, which scikit-learn refuses
        return 2


def targets(y: Any, n: int) -> np.ndarray:
    """Regression targets as a float64 array `(n,)` or `(n, outputs)`.

    **Raises:** `ValueError` for a missing or non-numeric target, NaN, a wrong rank, or a length other than that of `X`.
    """
    if y is None:
        raise ValueError("this estimator requires y to be passed, but the target y is None")
    names = list(map(str, y.columns)) if hasattr(y, "columns") else None
    try:
        if np.asarray(y).dtype.kind == "c":  # a conversion to real numbers would drop the imaginary parts
            raise ValueError("Complex data not supported: give the real and imaginary parts as two outputs")
        y = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"y must be numeric, for regression; {error}; for classes use InfiniteNetClassifier"
        ) from error
    if y.ndim not in (1, 2) or y.shape[1:] == (0,):
        raise ValueError(f"y must have shape (n,) or (n, outputs); received {y.shape}")
    if len(y) != n:
        raise ValueError(f"X and y must have as many rows; X has {n}, y has {len(y)}")
    check_finite_table("y", y, names)
    return y


def classes_and_labels(y: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The classes in order, and for each of `n` rows the number of its class.

    **Raises:** `ValueError` for missing labels, targets that are no classes, one class only, or a length other than `n`.
    """
    if y is None:
        raise ValueError("this estimator requires y to be passed, but the target y is None")
    check_no_label_is_missing(y)
    check_classification_targets(y)
    y = column_or_1d(y, warn=True)
    if len(y) != n:
        raise ValueError(f"X and y must have as many rows; X has {n}, y has {len(y)}")
    classes, labels = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y has one class only, {classes.tolist()[0]!r}; a classifier needs examples of at least two classes"
        )
    return classes, labels


def check_no_label_is_missing(y: Any) -> None:
    """Raise `ValueError` naming the row of the first label that is NaN, `None` or pandas' NA, if there is one."""
    import pandas as pd

    values = y if hasattr(y, "dtype") else np.asarray(y, dtype=object)  # NumPy would make the string "nan" of it
    missing = np.asarray(pd.isna(values))
    rows = missing.reshape(len(missing), -1).any(1) if missing.ndim else missing[None]
    if rows.any():
        raise ValueError(
            f"Input y contains NaN: there is no label at row {int(rows.argmax())} ({rows.sum()} such rows); remove these "
            "rows, or fill them in"
        )


def check_finite_table(name: str, table: np.ndarray, columns: Any) -> None:
    """Raise `ValueError` naming the row and column of the first NaN or infinite entry, if there is one."""
    finite = np.isfinite(table)
    if finite.all():
        return
    place = np.unravel_index(int(np.argmin(finite)), table.shape)
    value = "NaN" if np.isnan(table[place]) else "infinity"
    where = f"row {place[0]}"
    if table.ndim > 2:
        where = f"index {tuple(map(int, place))}"
    elif table.ndim == 2:
        where += f", column {place[1] if columns is None else repr(str(columns[place[1]]))}"
    raise ValueError(
        f"Input {name} contains {value} at {where} ({(~finite).sum()} entries are NaN or infinite); remove or impute them, "
        "e.g. with sklearn.impute.SimpleImputer"
    )


def _check_numeric_columns(X: Any) -> None:
    """Name the column of a data frame that cannot be read as numbers."""
    if not hasattr(X, "columns") or not hasattr(X, "iloc"):
        return
    for place, name in enumerate(X.columns):
        column = X.iloc[:, place]
        if reason := _not_numeric(column):
            raise ValueError(
                f"feature {str(name)!r} (column {place}) is not numeric: dtype {column.dtype}{reason}; encode it, e.g. with "
                "sklearn.preprocessing.OneHotEncoder, or leave it out"
            )


def _not_numeric(column: Any) -> str | None:
    """Why a column cannot be read as numbers; `None` if it can."""
    if getattr(column.dtype, "kind", "") in "mM":
        return ", dates or times"
    try:
        np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError) as error:
        return f", {error}"
    return None
