"""All of MNIST with the neural tangent kernel of a deep network, without its Gram matrix.

    python examples/mnist_ntk_features.py mnist.npz [--features 8192] [--approximation nystrom] [--exact-rows 20000]

The network has four layers of weights: three hidden layers of ReLU, and a readout. `NTKFeatureClassifier` learns all 60,000
images by ridge regression on features of its NTK, those of landmarks (Nystrom) or random ones; the noise is chosen by generalised
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
from nnlimits.compute.cholesky import cholesky_in_place
from nnlimits.presets import mlp

NETWORK = mlp(depth=3, b_std=0.3)
NOISES = tuple(10.0**exponent for exponent in range(-4, 2))
TUNING_ROWS = 4000


def standardised(data: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All images as rows in single precision, with mean zero and unit variance over all pixels of those to learn from."""
    train, test = (data[name].reshape(-1, 784).astype(np.float32) for name in ("Xtrain", "Xtest"))
    mean, scale = train.mean(dtype=np.float64), train.std(dtype=np.float64)
    for x in (train, test):
        x -= np.float32(mean)
        x /= np.float32(scale)
    return train, test


def codes(y: np.ndarray) -> np.ndarray:
    """Centred one-hot codes."""
    one_hot = np.eye(10)[y]
    return one_hot - one_hot.mean(0)


def exact(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, console: Console) -> tuple[np.ndarray, float]:
    """Predicted labels of test images by the exact kernel, and the noise it chose."""
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
    lower = cholesky_in_place(gram)
    assert lower is not None, "the noise keeps the kernel positive definite"
    weights = scipy.linalg.cho_solve((lower, True), codes(y), check_finite=False)
    parts = [np.asarray(kernel(x_test[i : i + 1000], x), np.float64) @ weights for i in range(0, len(x_test), 1000)]
    # the centre of the codes is nearly the same for all classes
    return (np.concatenate(parts) + np.eye(10)[y].mean(0)).argmax(1), noise


def use(since: float) -> tuple[str, str]:
    """The time of all cores since a time of the process, and its largest memory so far."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return f"{(time.process_time() - since) / 60:.1f}", f"{memory:.2f} GiB"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=pathlib.Path, help="NPZ file of MNIST")
    parser.add_argument("--features", type=int, default=8192, help="how many features (default 8192)")
    parser.add_argument("--approximation", choices=("random", "nystrom"), default="nystrom", help="of which kind")
    parser.add_argument("--exact-rows", type=int, default=20000, help="images of the exact kernel; 0 for none")
    options = parser.parse_args(arguments)
    with np.load(options.file) as stored:
        data = {name: stored[name] for name in stored.files}
    (x, x_test), y, y_test = standardised(data), data["ytrain"], data["ytest"]
    console = Console(highlight=False, width=110)
    table = Table("", "images", "test accuracy", "noise", "minutes", "minutes of one core", "memory")
    start, processor = time.perf_counter(), time.process_time()
    model = nl.NTKFeatureClassifier(
        NETWORK, n_features=options.features, approximation=options.approximation, standardize=False, progress=True
    )
    model.fit(x, y)
    fitted = time.perf_counter()
    correct = float(np.mean(model.predict(x_test) == y_test))
    minutes, busy = (time.perf_counter() - start) / 60, use(processor)
    name = f"{model.features_.n_features:,} features ({options.approximation})"
    table.add_row(name, f"{len(x):,}", f"{correct:.2%}", f"{model.noise_:.3g}", f"{minutes:.1f}", *busy)
    error = model.kernel_error_
    console.print(
        f"learned in {(fitted - start) / 60:.1f} min; the features' kernel is off by {error.frobenius:.2%} (Frobenius), "
        f"effective dimension {model.effective_dimension_:.0f}"
    )
    if options.exact_rows:
        start, processor, n = time.perf_counter(), time.process_time(), options.exact_rows
        predicted, noise = exact(x[:n], y[:n], x_test, console)
        minutes = (time.perf_counter() - start) / 60
        correct = f"{np.mean(predicted == y_test):.2%}"
        table.add_row("exact kernel", f"{n:,}", correct, f"{noise:.3g}", f"{minutes:.1f}", *use(processor))
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
