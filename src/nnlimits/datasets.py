"""Data: the digits that the demonstration uses, and tables and arrays read from files."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

MAX_LISTED = 12
"""Names that an error message lists before it says how many more there are."""


class Digits(NamedTuple):
    """Images of handwritten digits, standardised one by one, and what they show."""

    x: Float[np.ndarray, "n 64"]
    """Pixels, of mean zero and unit variance within each image."""
    labels: Int[np.ndarray, " n"]
    """0 to 9."""

    @property
    def targets(self) -> Float[np.ndarray, "n 10"]:
        """One-hot codes minus 0.1, so that they add up to zero."""
        return np.eye(10, dtype=self.x.dtype)[self.labels] - self.x.dtype.type(0.1)


def digits(n_train: int, *, seed: int = 0) -> tuple[Digits, Digits]:
    """scikit-learn's 1,797 digits of 8 x 8 pixels: `n_train` of them, as many of each class as possible, and the others.

    **Raises:** `ValueError` unless at least 10, and at most 1,787, are asked for.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    if not 10 <= n_train <= 1787:
        raise ValueError(f"n_train must be from 10 to 1787, of 1797 digits; received {n_train}")
    x, labels = load_digits(return_X_y=True)
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    parts = train_test_split(x.astype(np.float32), labels, train_size=n_train, random_state=seed, stratify=labels)
    return Digits(parts[0], parts[2]), Digits(parts[1], parts[3])


def spirals(points: int, *, turns: float = 1.25) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    """Two interleaved spirals of Archimedes in the plane, of radius 0.15 to 1, the second the first turned by half a circle;
    and their labels, -1 and 1.

    **Arguments:** `points`, of both, an even number; `turns`, of each around the origin.

    **Raises:** `ValueError` for an odd number, fewer than four points, or turns that are not positive.
    """
    if points < 4 or points % 2:
        raise ValueError(f"points must be an even number of at least 4; received {points}")
    if not 0 < turns < float("inf"):
        raise ValueError(f"turns must be finite and positive; received {turns}")
    radii = np.linspace(0.15, 1, points // 2)
    angles = 2 * np.pi * turns * radii
    first = radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    return np.concatenate([first, -first]).astype(np.float32), np.repeat(np.asarray([1, -1], np.float32), points // 2)


def pair_of_classes(
    images: Shaped[np.ndarray, "n ..."], labels: Shaped[np.ndarray, " n"], classes: tuple[Any, Any], examples: int
) -> tuple[Float[np.ndarray, "k d"], Float[np.ndarray, "k 1"]]:
    """The first examples of two classes as they are, each a row, with labels -1 and 1.

    **Raises:** `ValueError` for fewer examples than asked for, or none of one class.
    """
    rows = np.flatnonzero(np.isin(labels, classes))[:examples]
    y = np.where(labels[rows] == classes[1], 1.0, -1.0).astype(np.float32)
    if examples < 2 or len(rows) < examples or len(np.unique(y)) < 2:
        raise ValueError(
            f"labels must hold {examples} examples of the classes {classes[0]} and {classes[1]}, of both; received {len(rows)}"
        )
    return images[rows].reshape(len(rows), -1).astype(np.float32), y[:, None]


def read_table(path: str | Path) -> Any:
    """Read a table as a pandas data frame, one column a feature.

    The ending of the file says what it is: `.csv` (or `.tsv`) with a header, `.parquet`, or `.npz`, of which every array is
    a column, or several if it has two axes: the array `pixels` becomes `pixels_0`, `pixels_1`, and so on.

    **Raises:** `FileNotFoundError`, `ImportError` without the Parquet reader, and `ValueError` for a file of another kind,
    one that cannot be read, repeated column names, or no rows.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; a CSV, Parquet or NPZ file is needed")
    readers = {".csv": _read_csv, ".tsv": _read_csv, ".parquet": _read_parquet, ".npz": _read_npz}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path} is not a CSV, Parquet or NPZ file by its ending; known are {', '.join(readers)}")
    frame = readers[path.suffix.lower()](path)
    names = [str(name) for name in frame.columns]
    frame.columns = names
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise ValueError(f"{path} has more than one column named {repeated[0]!r}; names must differ")
    if len(frame) == 0:
        raise ValueError(f"{path} has no rows")
    return frame


def column(frame: Any, name: str) -> Any:
    """A column of a data frame.

    **Raises:** `ValueError` that lists the columns, if there is none of this name.
    """
    if name not in frame.columns:
        raise ValueError(f"there is no column {name!r}; the columns are {listed(frame.columns)}")
    return frame[name]


def numeric_features(frame: Any, names: Sequence[str]) -> Float[np.ndarray, "n d"]:
    """The columns `names` of a data frame as numbers; true and false count as 1 and 0.

    **Raises:** `ValueError` naming the first column that is absent or not numeric, or the place of a value that is missing or
    infinite. Rows count from 1, the header aside.
    """
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise ValueError(
            f"the data lack the column{'s' if len(missing) > 1 else ''} {listed(missing)}; they have {listed(frame.columns)}"
        )
    return np.column_stack([_as_numbers(frame[name], name) for name in names])


def check_complete(values: Any, name: str) -> None:
    """Raise `ValueError` with the place of the first missing value of the column `name`, if there is one."""
    missing = np.asarray(values.isna())
    if missing.any():
        raise ValueError(
            f"column {name!r} has no value in row {int(missing.argmax()) + 1} ({missing.sum()} such rows of {len(values)}); "
            "remove these rows, or fill them in"
        )


def listed(names: Iterable[Any]) -> str:
    """Names for an error message: all if they are few."""
    names = list(names)
    shown = ", ".join(map(str, names[:MAX_LISTED]))
    return shown if len(names) <= MAX_LISTED else f"{shown} and {len(names) - MAX_LISTED} more"


def shown(value: Any) -> str:
    """A value of a table as it is written in Python."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def _as_numbers(values: Any, name: str) -> Float[np.ndarray, " n"]:
    import pandas as pd

    check_complete(values, name)
    if not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)):
        numbers = pd.to_numeric(values, errors="coerce")
        row = int(np.asarray(numbers.isna()).argmax())
        raise ValueError(
            f"column {name!r} is not numeric: row {row + 1} holds {shown(values.iloc[row])}; encode it, or leave it out"
        )
    if pd.api.types.is_complex_dtype(values):
        raise ValueError(f"column {name!r} holds complex numbers; split it into two real columns")
    numbers = values.to_numpy(dtype=np.float64)
    finite = np.isfinite(numbers)
    if not finite.all():
        row = int(finite.argmin())
        raise ValueError(f"column {name!r} holds {numbers[row]} in row {row + 1}; remove the row, or replace the value")
    return numbers


def _read_csv(path: Path) -> Any:
    import pandas as pd

    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=separator)
            header, first = next(reader, []), next(reader, [])
        repeated = [name for name in header if header.count(name) > 1]
        if repeated:
            raise ValueError(f"{path} has more than one column named {repeated[0]!r}; names must differ")
        if len(first) > len(header):
            raise ValueError(f"{path} has {len(first)} fields in its first row, but a header of {len(header)}")
        return pd.read_csv(path, sep=separator, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        raise ValueError(f"{path} is empty; a header and rows are needed") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as CSV: {error}") from None


def _read_parquet(path: Path) -> Any:
    import pandas as pd

    try:
        import pyarrow
    except ImportError:
        raise ImportError(
            "reading Parquet files needs pyarrow; install it with: pip install 'nnlimits[parquet]'", name="pyarrow"
        ) from None
    try:
        return pd.read_parquet(path, engine="pyarrow").reset_index(drop=True)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path} cannot be read as Parquet: {error}") from None


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an NPZ file, by name.

    **Raises:** `FileNotFoundError`; `ValueError` for a file of another kind, that cannot be read, or without arrays.
    """
    import zipfile

    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if not path.is_file() or path.suffix.lower() != ".npz":
        raise ValueError(f"{path} is not an NPZ file by its ending; arrays are read from files that numpy.savez writes")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} cannot be read as NPZ: it is not what numpy.savez writes, or it is damaged")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as NPZ: {error}") from None
    except ValueError:
        raise ValueError(f"{path} holds arrays of Python objects; save arrays of numbers or strings") from None
    if not arrays:
        raise ValueError(f"{path} holds no arrays")
    return arrays


def described(arrays: Mapping[str, np.ndarray]) -> str:
    """Arrays for an error message: their names and shapes."""
    return ", ".join(f"{name} {array.shape}" for name, array in arrays.items())


def _read_npz(path: Path) -> Any:
    import pandas as pd

    arrays = read_arrays(path)
    lengths = {name: array.shape[0] if array.ndim in (1, 2) else None for name, array in arrays.items()}
    if None in lengths.values() or len(set(lengths.values())) > 1:
        raise ValueError(
            f"the arrays of {path} must have one or two axes, and as many rows each; they are {described(arrays)}"
        )
    return pd.DataFrame({name: values for key, array in arrays.items() for name, values in _columns(key, array)})


def _columns(name: str, array: np.ndarray) -> list[tuple[str, np.ndarray]]:
    if array.ndim == 1:
        return [(name, array)]
    return [(f"{name}_{i}", array[:, i]) for i in range(array.shape[1])]
