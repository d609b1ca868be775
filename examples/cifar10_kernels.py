"""Image classification with the kernels of infinitely wide convolutional networks.

    python examples/cifar10_kernels.py IMAGES.npz --network conv --train 4000 --test 1000 --folder results
    python examples/cifar10_kernels.py IMAGES.npz --network myrtle5 --train 400 --test 100 --folder results

The file holds arrays of images (n, height, width, channels) and labels, for training and testing, under the names given by
`--names`. Kernel matrices are computed in bounded memory into the folder, and an interrupted run goes on where it was.
Each network predicts by kernel ridge regression on one-hot targets, the regularisation chosen by leave-one-out accuracy.

`conv` is a convolutional network that ends in `Flatten`, as in Novak et al. 2019; the Myrtle networks end in global
pooling, as in Shankar et al. 2020, and cost about 1,000 times as much a pair.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import scipy.linalg

import nnlimits as nl
from nnlimits import nn, presets

NETWORKS = {
    "conv": lambda: presets.cnn(depth=8, w_std=math.sqrt(2), b_std=0.1),
    "conv-average": lambda: presets.cnn(depth=5, readout=nn.GlobalAvgPool()),
    "myrtle5": lambda: presets.myrtle(5),
    "myrtle7": lambda: presets.myrtle(7),
    "myrtle10": lambda: presets.myrtle(10),
}
REGULARISATIONS = 10.0 ** np.arange(-7, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--network", choices=NETWORKS, default="conv")
    parser.add_argument("--kernels", nargs="+", choices=("nngp", "ntk"), default=["nngp", "ntk"])
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--names", nargs=4, default=["Xtrain", "ytrain", "Xtest", "ytest"])
    options = parser.parse_args()
    x, y, x_test, y_test = load(options)
    kernel = nl.kernel(NETWORKS[options.network]())
    options.folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    among = matrices(kernel, x, None, options, "train")
    across = matrices(kernel, x_test, x, options, "test")
    print(f"{options.network}, {len(x)} training images: kernels in {time.perf_counter() - start:.0f} s")
    for name in options.kernels:
        scores, chosen, found = predict(among[name], across[name], y)
        accuracy = np.mean(scores.argmax(1) == y_test)
        print(f"  {name}: test accuracy {accuracy:.4f} (leave-one-out {found:.4f}, regularisation {chosen:.0e})")


def load(options) -> tuple[np.ndarray, ...]:
    """Images in float32, each channel standardised by the training images, and labels."""
    with np.load(options.images) as file:
        x, y, x_test, y_test = (file[name] for name in options.names)
    x, y, x_test, y_test = x[: options.train], y[: options.train], x_test[: options.test], y_test[: options.test]
    mean, std = x.mean((0, 1, 2)), x.std((0, 1, 2))
    return ((x - mean) / std).astype(np.float32), y, ((x_test - mean) / std).astype(np.float32), y_test


def matrices(kernel, x1, x2, options, part: str) -> dict[str, np.ndarray]:
    names = tuple(options.kernels)
    paths = tuple(
        options.folder / f"{options.network}-{options.train}-{options.test}-{part}-{name}.npy" for name in names
    )
    if not all(path.exists() for path in paths):
        nl.gram(kernel, x1, x2, get=names, out=paths, resume=True)
    return {name: np.load(path) for name, path in zip(names, paths, strict=True)}


def predict(among: np.ndarray, across: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Scores of the test images, and the regularisation with its leave-one-out accuracy."""
    targets = np.eye(y.max() + 1)[y] - 0.1
    values, vectors = scipy.linalg.eigh(among.astype(np.float64))
    rotated = vectors.T @ targets
    best = (-1.0, 0.0)
    for regularisation in REGULARISATIONS * values.mean():
        inverse = 1 / (np.maximum(values, 0) + regularisation)
        alpha = vectors @ (inverse[:, None] * rotated)
        left_out = targets - alpha / ((vectors**2) @ inverse)[:, None]
        best = max(best, (float(np.mean(left_out.argmax(1) == y)), float(regularisation)))
    alpha = vectors @ (rotated / (np.maximum(values, 0) + best[1])[:, None])
    return across @ alpha, best[1] / values.mean(), best[0]


if __name__ == "__main__":
    main()
