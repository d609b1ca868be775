"""A support-vector machine with the neural tangent kernel, on the UCI classification collection.

    python examples/ntk_svm_uci.py FOLDER [--sets iris yeast ...] [--table results.md]

The protocol is that of Arora, Du, Li, Salakhutdinov, Wang & Yu, "Harnessing the power of infinitely wide deep nets on
small-data tasks" (ICLR 2020, arXiv:1910.01663), as their published program carries it out, on the sets and splits of
Fernandez-Delgado et al. (JMLR 2014):

- features standardised, as the collection distributes them, and not otherwise scaled;
- ReLU networks without biases, of 1 to 5 layers of weights (1: the linear kernel), of which the first 0, 1, ... are
  fixed at their initial values and the others trained;
- a soft-margin machine on the kernel matrix, cost C = 10^-2, ..., 10^4;
- kernel and cost are those of the best accuracy on one split into halves, the first found where several tie;
- with these, the mean accuracy over four folds is reported.

Beside it, under the same protocol: the Gaussian kernel (15 widths, as many as there are tangent kernels) and a random
forest (500 trees, 3 values of the number of features tried at a split).

A file NAME.npz of FOLDER holds `X` (n, d), labels `y` (n,), the rows of the two halves, `conx0` and `conx1`, and the
rows of the four folds, `kfold0` (train), `kfold1` (test), ..., `kfold7`.
"""

import argparse
import math
import pathlib
import sys
import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from scipy.stats import rankdata
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.svm import SVC

import nnlimits as nl
from nnlimits import nn

LAYERS = 5
COSTS = tuple(10.0**exponent for exponent in range(-2, 5))
WIDTHS = tuple(2.0**exponent for exponent in range(-11, 4))
FOLDS = 4
STEPS = 10_000_000  # LIBSVM's own limit; only nearly linear kernels at the largest costs reach it


def tangent_kernels(x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Every neural tangent kernel of the protocol: its description and its matrix (n, n).

    The NTK of a network sums, over its layers, what that layer's weights contribute (Jacot et al. 2018):
    Theta_h = Sigma_h + Theta_{h-1} * Sigma'_h. To fix the first layers is to start that sum later. Sigma_h is the NNGP
    of the network with h hidden layers; Sigma'_h, the covariance of ReLU's derivative, is the NNGP of the same network
    with its last ReLU replaced by a step.
    """
    features = x.shape[1]
    covariance, derivative, full = [], [None], []
    for hidden in range(LAYERS):
        kernel = nl.kernel(relu_network(features, hidden, nn.Relu()))(x)
        covariance.append(np.asarray(kernel.nngp))
        full.append(np.asarray(kernel.ntk))
        if hidden > 0:
            derivative.append(np.asarray(nl.kernel(relu_network(features, hidden, nn.Step())).nngp(x)))
    for hidden in range(LAYERS):
        yield f"{hidden + 1} layers", full[hidden]
        for fixed in range(1, hidden + 1):
            theta = covariance[fixed]
            for layer in range(fixed + 1, hidden + 1):
                theta = covariance[layer] + theta * derivative[layer]
            yield f"{hidden + 1} layers, {fixed} fixed", theta


def relu_network(features: int, hidden: int, last: nn.Activation) -> nn.Sequential:
    """`hidden` layers of ReLU, the last of them `last`, and a linear readout; no biases.

    A first weight of standard deviation sqrt(features) makes the first covariance the inner product of two inputs.
    """
    layers = []
    for number in range(1, hidden + 1):
        layers += [nn.Dense(512), last if number == hidden else nn.Relu()]
    layers.append(nn.Dense(1))
    first = nn.Dense(layers[0].width, w_std=math.sqrt(features))
    return nn.Sequential(first, *layers[1:])


def gaussian_kernels(x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """exp(-gamma |x - x'|^2) for every gamma of the grid: its description and its matrix (n, n)."""
    squared = euclidean_distances(x, squared=True)
    for gamma in WIDTHS:
        yield f"gamma {gamma:g}", np.exp(-gamma * squared)


Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]


def machines(kernels: Iterator[tuple[str, np.ndarray]], y: np.ndarray) -> Iterator[tuple[str, Predict]]:
    """A support-vector machine for every kernel and cost; each maps (train rows, test rows) to predicted labels."""
    for description, matrix in kernels:
        for cost in COSTS:

            def predict(train, test, matrix=matrix, cost=cost):
                machine = SVC(kernel="precomputed", C=cost, cache_size=1000, max_iter=STEPS)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    machine.fit(matrix[np.ix_(train, train)], y[train])
                return machine.predict(matrix[np.ix_(test, train)])

            yield f"{description}, C {cost:g}", predict


def forests(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[str, Predict]]:
    """Random forests that try half, once and twice the square root of the number of features."""
    for factor in (0.5, 1.0, 2.0):
        tried = min(x.shape[1], max(1, round(factor * math.sqrt(x.shape[1]))))

        def predict(train, test, tried=tried):
            forest = RandomForestClassifier(n_estimators=500, max_features=tried, random_state=0)
            return forest.fit(x[train], y[train]).predict(x[test])

        yield f"{tried} features", predict


METHODS = {
    "NTK": lambda x, y: machines(tangent_kernels(x), y),
    "Gaussian kernel": lambda x, y: machines(gaussian_kernels(x), y),
    "random forest": forests,
}


def evaluate(candidates: Iterator[tuple[str, Predict]], data: dict[str, np.ndarray]) -> tuple[float, str]:
    """Mean accuracy over the four folds of the candidate that does best on the tuning halves, and its description."""
    y = data["y"]

    def accuracy(predict, train, test):
        return float(np.mean(predict(data[train], data[test]) == y[data[test]]))

    best, choice, chosen = -1.0, "", None
    for description, predict in candidates:
        reached = accuracy(predict, "conx0", "conx1")
        if reached > best:
            best, choice, chosen = reached, description, predict
    assert chosen is not None
    folds = [accuracy(chosen, f"kfold{2 * fold}", f"kfold{2 * fold + 1}") for fold in range(FOLDS)]
    return float(np.mean(folds)), choice


def load(path: pathlib.Path) -> dict[str, np.ndarray]:
    with np.load(path) as stored:
        data = {name: stored[name] for name in stored.files}
    data["X"] = data["X"].astype(np.float64)
    return data


def run(paths: list[pathlib.Path], max_rows: int, table: pathlib.Path | None, console: Console) -> list[dict]:
    """Every set, every method: accuracies and choices, printed set by set and kept in the file `table`."""
    rows = []
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    with bar:
        task = bar.add_task("", total=len(paths))
        for path in paths:
            data = load(path)
            x, y = data["X"], data["y"]
            if len(x) <= max_rows:
                row = {"set": path.stem, "n": len(x), "d": x.shape[1], "classes": len(np.unique(y))}
                start = time.perf_counter()
                for method, candidates in METHODS.items():
                    bar.update(task, description=f"{path.stem}: {method}")
                    row[method], row[f"{method}, chosen"] = evaluate(candidates(x, y), data)
                rows.append(row)
                if table:
                    table.write_text(markdown(rows))
                figures = ", ".join(f"{method} {row[method]:.2%}" for method in METHODS)
                bar.console.print(f"{path.stem} (n = {len(x)}): {figures}; {time.perf_counter() - start:.0f} s")
            bar.advance(task)
    return rows


def summary(rows: list[dict]) -> list[tuple[str, ...]]:
    """The paper's figures of merit, one line each, over all sets.

    P90 and P95: the share of sets on which a method reaches 90 and 95 % of the best method's accuracy; PMA: the mean of
    that ratio. They depend on which methods are compared.
    """
    accuracy = np.array([[row[method] for method in METHODS] for row in rows])
    ratio = accuracy / accuracy.max(axis=1, keepdims=True)
    spread = accuracy.std(axis=0)
    return [
        ("mean accuracy", *(f"{m:.2%} ± {s:.2%}" for m, s in zip(accuracy.mean(axis=0), spread, strict=True))),
        ("Friedman rank", *(f"{rank:.2f}" for rank in rankdata(-accuracy, axis=1).mean(axis=0))),
        ("P90", *(f"{share:.1%}" for share in (ratio >= 0.90).mean(axis=0))),
        ("P95", *(f"{share:.1%}" for share in (ratio >= 0.95).mean(axis=0))),
        ("PMA", *(f"{mean:.2%}" for mean in ratio.mean(axis=0))),
    ]


def markdown(rows: list[dict]) -> str:
    """The table set by set, then the figures of merit."""
    lines = [("set", "n", "d", "classes", *METHODS, "NTK chosen")]
    lines.append(("---", *["---:"] * (3 + len(METHODS)), "---"))
    for row in rows:
        sizes = (str(row[name]) for name in ("n", "d", "classes"))
        lines.append((row["set"], *sizes, *(f"{row[method]:.2%}" for method in METHODS), row["NTK, chosen"]))
    lines += [(f"**{name}**", "", "", "", *figures, "") for name, *figures in summary(rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="folder of NAME.npz files")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="only these sets")
    parser.add_argument("--max-rows", type=int, default=5000, help="leave out larger sets (default 5000)")
    parser.add_argument("--table", type=pathlib.Path, help="also write the table to this Markdown file")
    options = parser.parse_args(arguments)
    paths = sorted(options.folder.glob("*.npz"))
    if options.sets:
        missing = set(options.sets) - {path.stem for path in paths}
        if missing:
            parser.error(f"{options.folder} has no {', '.join(sorted(missing))}")
        paths = [path for path in paths if path.stem in options.sets]
    if not paths:
        parser.error(f"{options.folder} holds no .npz files")
    console = Console()
    rows = run(paths, options.max_rows, options.table, console)
    if not rows:
        parser.error(f"every set has more than {options.max_rows} rows")
    table = Table("", *METHODS, title=f"{len(rows)} sets")
    for line in summary(rows):
        table.add_row(*line)
    console.print(table)
    if options.table:
        console.print(f"wrote {options.table}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
