"""Images with their labels, from an NPZ file: to train on, and to test on."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Names = tuple[tuple[str, str], ...]

TRAINING: Names = (("Xtrain", "ytrain"), ("x_train", "y_train"), ("X", "y"), ("images", "labels"))
"""Names that the arrays of images and labels to train on may have."""

TEST: Names = (("Xtest", "ytest"), ("x_test", "y_test"))
"""Names of those to test on."""

Labelled = tuple[Any, Any]
"""Images and labels, arrays."""


def labelled_images(file: Path, names: Names) -> Labelled:
    """The first pair of arrays of images and labels that the file has.

    **Raises:** `ValueError` if it has none, or not one label for each image.
    """
    from nnlimits import datasets

    arrays = datasets.read_arrays(file)
    found = _named(file, arrays, names)
    if found is None:
        told = "; ".join(" and ".join(pair) for pair in names)
        raise ValueError(
            f"{file} must hold images and their labels, named {told}; it holds {datasets.described(arrays)}"
        )
    return found


def images_of_two_classes(file: Path, classes: tuple[int, int], examples: int) -> tuple[Labelled, Labelled]:
    """Images and labels to train on, and to test on: the file's own, or those of the two classes that come after `examples`.

    **Raises:** `ValueError` for a file without them, or one that leaves nothing to test.
    """
    import numpy as np

    from nnlimits import datasets

    train = labelled_images(file, TRAINING)
    test = _named(file, datasets.read_arrays(file), TEST)
    if test is None:
        rest = np.flatnonzero(np.isin(train[1], classes))[examples:]
        test = train[0][rest], train[1][rest]
    if len(np.intersect1d(test[1], classes)) < 2:
        raise ValueError(f"{file} leaves no images of both classes to test on; give fewer --examples")
    return train, test


def pair_of_labels(text: str) -> tuple[int, int]:
    """The two labels that an option lists.

    **Raises:** `ValueError` unless it lists two whole numbers.
    """
    try:
        first, second = (int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--classes must be two whole numbers, such as 4,9; received {text!r}") from None
    return first, second


def with_channels(images: "np.ndarray") -> "np.ndarray":
    """Images (n, height, width, channels) of numbers, with one channel if they came without.

    **Raises:** `ValueError` for arrays of another rank.
    """
    if images.ndim not in (3, 4):
        raise ValueError(
            f"images must have shape (n, height, width) or (n, height, width, channels); received {images.shape}"
        )
    return (images[..., None] if images.ndim == 3 else images).astype("float32")


def _named(file: Path, arrays: dict[str, Any], names: Names) -> Labelled | None:
    from nnlimits import datasets

    for images, labels in names:
        if images in arrays and labels in arrays:
            if arrays[labels].shape != arrays[images].shape[:1]:
                raise ValueError(
                    f"{labels} must hold one label for each of {images}; {file} holds {datasets.described(arrays)}"
                )
            return arrays[images], arrays[labels]
    return None
