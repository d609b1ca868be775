"""Images and labels for training and for tests, from one file."""

from pathlib import Path
from typing import Any

_TRAIN = (("Xtrain", "ytrain"), ("x_train", "y_train"), ("X", "y"), ("images", "labels"))
_TEST = (("Xtest", "ytest"), ("x_test", "y_test"))
"""Names that the arrays of images and labels may have."""


def labelled_images(file: Path, classes: tuple[int, int], examples: int) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Images and labels to train on, and to test on: the file's own, or those of the two classes that come after `examples`.

    **Raises:** `ValueError` for a file without them, or one that leaves nothing to test.
    """
    import numpy as np

    from nnlimits import datasets

    arrays = datasets.read_arrays(file)
    train = _named(file, arrays, _TRAIN)
    if train is None:
        names = "; ".join(" and ".join(pair) for pair in _TRAIN)
        raise ValueError(
            f"{file} must hold images and their labels, named {names}; it holds {datasets.described(arrays)}"
        )
    test = _named(file, arrays, _TEST)
    if test is None:
        rest = np.flatnonzero(np.isin(train[1], classes))[examples:]
        test = train[0][rest], train[1][rest]
    if len(np.intersect1d(test[1], classes)) < 2:
        raise ValueError(f"{file} leaves no images of both classes to test on; give fewer --examples")
    return train, test


def pair_of_labels(text: str) -> tuple[int, int]:
    """The two labels that an option lists."""
    try:
        first, second = (int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--classes must be two whole numbers, such as 4,9; received {text!r}") from None
    return first, second


def _named(file: Path, arrays: Any, names: Any) -> tuple[Any, Any] | None:
    from nnlimits import datasets

    for images, labels in names:
        if images in arrays and labels in arrays:
            if arrays[labels].shape != arrays[images].shape[:1]:
                raise ValueError(
                    f"{labels} must hold one label for each of {images}; {file} holds {datasets.described(arrays)}"
                )
            return arrays[images], arrays[labels]
    return None
