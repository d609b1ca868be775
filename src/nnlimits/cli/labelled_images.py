"""Images with their labels, from an NPZ file."""

from pathlib import Path
from typing import Any

import numpy as np

TRAINING = (("Xtrain", "ytrain"), ("x_train", "y_train"), ("X", "y"), ("images", "labels"))
"""Names that the arrays of images and labels to train on may have."""

TEST = (("Xtest", "ytest"), ("x_test", "y_test"))
"""Names of those to test on."""


def labelled_images(file: Path, names: tuple[tuple[str, str], ...]) -> tuple[np.ndarray, np.ndarray]:
    """The first pair of arrays of images and labels that the file has.

    **Raises:** `ValueError` if it has none, or as many labels as images are missing.
    """
    from nnlimits import datasets

    arrays = datasets.read_arrays(file)
    for images, labels in names:
        if images in arrays and labels in arrays:
            if arrays[labels].shape != arrays[images].shape[:1]:
                raise ValueError(
                    f"{labels} must hold one label for each of {images}; {file} holds {datasets.described(arrays)}"
                )
            return arrays[images], arrays[labels]
    told = "; ".join(" and ".join(pair) for pair in names)
    raise ValueError(f"{file} must hold images and their labels, named {told}; it holds {datasets.described(arrays)}")


def with_channels(images: np.ndarray) -> Any:
    """Images (n, height, width, channels) of numbers, with one channel if they came without."""
    if images.ndim not in (3, 4):
        raise ValueError(
            f"images must have shape (n, height, width) or (n, height, width, channels); received {images.shape}"
        )
    return (images[..., None] if images.ndim == 3 else images).astype(np.float32)
