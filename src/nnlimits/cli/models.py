"""Models on disk: a line that says what the file is, a line of JSON about the model, and the pickled estimator."""

import json
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import nnlimits
from nnlimits.cli.files import complete

MAGIC = b"nnlimits model\n"
FORMAT = 1


class Model(NamedTuple):
    """A fitted estimator, and what it was fitted to."""

    task: str
    """`"regression"` or `"classification"`."""
    target: str
    features: list[str]
    """Columns, in the order of the estimator's inputs."""
    estimator: Any
    array: str | None = None
    """The name of the array of inputs, if they were not a table."""


def save(model: Model, path: Path) -> None:
    """Write a model; the file appears when it is complete.

    **Raises:** `OSError` if it cannot be written.
    """
    about = {
        "format": FORMAT,
        "nnlimits": nnlimits.__version__,
        "task": model.task,
        "target": model.target,
        "features": model.features,
        "array": model.array,
    }
    with complete(path) as file:
        file.write(MAGIC + json.dumps(about).encode() + b"\n")
        pickle.dump(model.estimator, file, protocol=5)


def load(path: Path) -> Model:
    """Read a model. A model holds code to run, as every pickle does: load only those that you trust.

    **Raises:** `FileNotFoundError`; `ValueError` for a file that is not a model, that is damaged, or of another format.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; the file of a model is needed")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    with path.open("rb") as file:
        if file.readline(len(MAGIC)) != MAGIC:
            raise ValueError(f"{path} is not a model saved by nnlimits fit")
        try:
            about = json.loads(file.readline())
        except ValueError:
            raise ValueError(f"the model {path} is damaged; fit it again") from None
        if about.get("format") != FORMAT:
            raise ValueError(
                f"the model {path} has format {about.get('format')}, of nnlimits {about.get('nnlimits')}; this is nnlimits "
                f"{nnlimits.__version__}, which reads format {FORMAT}; fit it again"
            )
        try:
            estimator = pickle.load(file)
        except Exception as error:
            written = about.get("nnlimits")
            raise ValueError(
                f"the model {path}, written by nnlimits {written}, cannot be read by nnlimits {nnlimits.__version__} "
                f"({type(error).__name__}: {error}); fit it again"
            ) from None
    return Model(about["task"], about["target"], about["features"], estimator, about.get("array"))
