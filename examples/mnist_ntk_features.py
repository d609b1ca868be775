"""All of MNIST with the neural tangent kernel of a deep network, without its Gram matrix.

    python examples/mnist_ntk_features.py mnist.npz [--features 8192] [--approximation random] [--exact-rows 20000]

The network has four layers of weights: three hidden layers of ReLU, and a readout. `NTKFeatureClassifier` learns all 60,000
images by ridge regression on features of its NTK, random ones or those of landmarks (Nystrom); the noise is chosen by generalised
cross-validation. Time and the largest memory of the process are measured up to there. Then the exact kernel learns the first
`--exact-rows` images by Cholesky's method, with the noise of the best leave-one-out accuracy on the first 4,000 of them. Neither
looks at the test images before the end.

The file holds `Xtrain` (60000, 28, 28), `ytrain`, `Xtest` (10000, 28, 28) and `ytest`.
"""

import argparse
import pathlib
import resource
import sys
import time

import numpy as np
import scipy.linalg
from rich.console import Console
from rich.table import Table

import nnlimits as nl
from nnlimits import nn
from nnlimits.presets import mlp

NETWORK = nn.Sequential(nn.Flatten(), *mlp(depth=3, b_std=0.3).layers)
NOISES = tuple(10.0**exponent for exponent in range(-4, 2))
TUNING_ROWS = 4000


def images(x: np.ndarray) -> np.ndarray:
    """Single-precision images (n, 28, 28, 1)."""
    return (x[..., None] / 255).astype(np.float32)


def codes(y: np.ndarray) -> np.ndarray:
    """Centred one-hot codes."""
    one_hot = np.eye(10)[y]
    return one_hot - one_hot.mean(0)


def exact(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, console: Console) -> tuple[np.ndarray, float]:
    """Predicted labels of test images by the exact kernel, and the noise it chose."""
    mean, scale = x.mean(), x.std()
    x, x_test = (x - mean) / scale, (x_test - mean) / scale
    kernel = nl.kernel(NETWORK).ntk
    some = slice(TUNING_ROWS)
    values, vectors = np.linalg.eigh(np.asarray(kernel(x[some]), np.float64))
    rotated = vectors.T @ codes(y[some])
    accuracy = {}
    for noise in NOISES:
        inverse = 1 / (values.clip(0) + noise)
        left_out = codes(y[some]) - (vectors @ (inverse[:, None] * rotated)) / (vectors**2 @ inverse)[:, None]
        accuracy[noise] = float(np.mean(left_out.argmax(1) == y[some]))
    noise = max(accuracy, key=accuracy.__getitem__)
    console.print(
        f"noise of the best leave-one-out accuracy on {TUNING_ROWS:,} images: {noise:g}, {accuracy[noise]:.2%}"
    )
    gram = np.array(kernel(x), np.float64, order="F")
    gram.flat[:: len(gram) + 1] += noise
    factor = scipy.linalg.cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    weights = scipy.linalg.cho_solve(factor, codes(y))
    parts = [np.asarray(kernel(x_test[i : i + 1000], x), np.float64) @ weights for i in range(0, len(x_test), 1000)]
    # the centre of the codes is nearly the same for all classes
    return (np.concatenate(parts) + np.eye(10)[y].mean(0)).argmax(1), noise


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=pathlib.Path, help="NPZ file of MNIST")
    parser.add_argument("--features", type=int, default=8192, help="how many features (default 8192)")
    parser.add_argument("--approximation", choices=("random", "nystrom"), default="random", help="of which kind")
    parser.add_argument("--exact-rows", type=int, default=20000, help="images of the exact kernel; 0 for none")
    options = parser.parse_args(arguments)
    with np.load(options.file) as stored:
        data = {name: stored[name] for name in stored.files}
    x, y, x_test, y_test = images(data["Xtrain"]), data["ytrain"], images(data["Xtest"]), data["ytest"]
    console, table = Console(highlight=False), Table("", "images", "test accuracy", "noise", "minutes", "memory")
    start = time.perf_counter()
    model = nl.NTKFeatureClassifier(
        NETWORK, n_features=options.features, approximation=options.approximation, progress=True
    )
    model.fit(x, y)
    fitted = time.perf_counter()
    correct = float(np.mean(model.predict(x_test) == y_test))
    minutes, memory = (time.perf_counter() - start) / 60, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    name = f"{model.features_.n_features:,} features ({options.approximation})"
    table.add_row(name, f"{len(x):,}", f"{correct:.2%}", f"{model.noise_:.3g}", f"{minutes:.1f}", f"{memory:.2f} GiB")
    error = model.kernel_error_
    console.print(
        f"learned in {(fitted - start) / 60:.1f} min; the features' kernel is off by {error.frobenius:.2%} (Frobenius), "
        f"effective dimension {model.effective_dimension_:.0f}"
    )
    if options.exact_rows:
        start, n = time.perf_counter(), options.exact_rows
        predicted, noise = exact(x[:n], y[:n], x_test, console)
        minutes = (time.perf_counter() - start) / 60
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        correct = f"{np.mean(predicted == y_test):.2%}"
        table.add_row("exact kernel", f"{n:,}", correct, f"{noise:.3g}", f"{minutes:.1f}", f"{memory:.2f} GiB")
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
