"""Random features and Nystrom beside scikit-learn's, and what exactness costs.

    python benchmarks/random_features.py speed [--rounds 7]
    python benchmarks/random_features.py costs SET.npz [--figure costs.png]

`speed`: the same work (examples, columns, features, precision) by `RBFSampler` and by `fourier_features`, by `Nystroem` and by
`nystrom_features`, in turns in one process; the best of the rounds, and the error of either against the exact Gaussian kernel.

`costs`: one regression set (`X`, `y`, `train0`, `test0`, `train1`, ...), ridge regression with the Gaussian kernel and with the
NTK of three hidden layers, exactly, by Nystrom and by random features of several sizes: seconds to learn and to predict, and how
far the root mean squared error on the test rows is from the exact kernel's. The regularisation is that of the exact kernel's
least generalised cross-validation error on up to 2,000 of the training rows. Errors of small sets are means over splits, with
random features drawn anew; seconds are the best of them. What uses features is done at least twice, so that compilation is left
out, as it is of the exact kernel, which was compiled when the regularisation was chosen.
"""

import argparse
import pathlib
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.linalg
from regression_tables import Problem, chosen_noise, standardized, tuning_rows
from rich.console import Console
from rich.table import Table
from sklearn.kernel_approximation import Nystroem, RBFSampler

import nnlimits as nl
from nnlimits import random_features as rf
from nnlimits.cli.console import Stages
from nnlimits.presets import mlp

SHAPES = ((10_000, 8, 2048), (10_000, 32, 4096), (4000, 784, 2048))
"""Examples, columns, features."""
LANDMARKS = 512
SIZES = (64, 256, 1024, 4096)
LEARNED_ROWS = 5000
"""Of a small set several splits are averaged, until so many rows were learned from: the errors of a hundred test rows scatter."""
MOST_SPLITS = 5
REST = 0.2
"""Seconds before each call: the threads of a BLAS wait actively for a while after their last product."""
KEY = jax.random.key(0)
NETWORK = mlp(depth=3, b_std=0.3)


def seconds(work: Callable[[], Any]) -> float:
    time.sleep(REST)
    start = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - start


def in_turns(first: Callable[[], Any], second: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """The best time of either, the first round left out."""
    times = [(seconds(first), seconds(second)) for _ in range(rounds + 1)][1:]
    return min(t for t, _ in times), min(t for _, t in times)


def error(features: Any, x: np.ndarray, lengthscale: float) -> float:
    z, probe = np.asarray(features, np.float64)[:500], x[:500].astype(np.float64)
    return rf.kernel_error(rf.Stationary("gaussian", lengthscale)(probe), z @ z.T).frobenius


def speed(rounds: int, console: Console) -> None:
    table = Table(title="The same work, seconds")
    for column in ("", "n", "d", "features", "precision", "scikit-learn", "nnlimits", "ratio", "errors"):
        table.add_column(column, justify="left" if column in ("", "precision", "errors") else "right")
    random = np.random.default_rng(0)
    for n, d, size in SHAPES:
        for dtype in (np.float32, np.float64):
            x, length = random.normal(size=(n, d)).astype(dtype), d**0.5
            gamma, landmarks = 1 / (2 * d), min(LANDMARKS, size)
            sampler = RBFSampler(gamma=gamma, n_components=size, random_state=0).fit(x)
            embed = rf.fourier_features(d, size, lengthscale=length, key=KEY)
            theirs = Nystroem(gamma=gamma, n_components=landmarks, random_state=0)
            kernel = rf.Stationary("gaussian", length)

            def fit(x=x, kernel=kernel, landmarks=landmarks) -> Any:
                return rf.nystrom_features(kernel, x[rf.uniform_landmarks(len(x), landmarks, key=KEY)])

            fitted, ours = theirs.fit(x), fit()
            cases = (
                ("Fourier", size, partial(sampler.transform, x), partial(embed, x)),
                ("Nystrom, fit", landmarks, partial(theirs.fit, x), fit),
                ("Nystrom, transform", landmarks, partial(fitted.transform, x), partial(ours, x)),
            )
            for name, count, first, second in cases:
                a, b = in_turns(first, second, rounds)
                errors = "" if "fit" in name else f"{error(first(), x, length):.2%}, {error(second(), x, length):.2%}"
                row = (name, f"{n:,}", str(d), f"{count:,}", dtype.__name__, f"{a:.4f}", f"{b:.4f}", f"{a / b:.2f}")
                table.add_row(*row, errors)
    console.print(table)


def load(path: pathlib.Path) -> list[Problem]:
    """The splits of a set that are averaged."""
    with np.load(path) as data:
        splits = [(data[f"train{i}"], data[f"test{i}"]) for i in range(MOST_SPLITS) if f"train{i}" in data]
        few = splits[: max(1, LEARNED_ROWS // len(splits[0][0]))]
        varies = np.all([data["X"][train].std(0) > 0 for train, _ in few], 0)  # the same columns in all of them
        return [standardized(data["X"][:, varies], data["y"], *split) for split in few]


def noise_of(kernel: Callable[..., Any], problem: Problem) -> float:
    """The noise of the exact kernel's least generalised cross-validation error on some rows."""
    rows = tuning_rows(problem.x)
    return chosen_noise(np.asarray(kernel(problem.x[rows], problem.x[rows]), np.float64), problem.y[rows])[0]


def exactly(kernel: Callable[..., Any], problem: Problem, noise: float) -> np.ndarray:
    gram = np.array(kernel(problem.x, problem.x), np.float64, order="F")
    gram.flat[:: len(gram) + 1] += noise
    factor = scipy.linalg.cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    mean = problem.y.mean()
    return np.asarray(kernel(problem.x_test, problem.x)) @ scipy.linalg.cho_solve(factor, problem.y - mean) + mean


def by_features(make: Callable[[], Any], problem: Problem, noise: float) -> np.ndarray:
    embed = make()
    if embed.n_features > len(problem.x):
        regression = rf.DualRidge(embed(problem.x), problem.y)
    else:
        regression = rf.RidgeStatistics(embed.n_features)
        for start in range(0, len(problem.x), 2048):
            rows = slice(start, start + 2048)
            regression.partial_fit(embed(problem.x[rows]), problem.y[rows])
    solution = regression.solve(noise / len(problem.x))
    return np.asarray(embed(problem.x_test)) @ solution.weights[:, 0] + solution.offset[0]


class Case(NamedTuple):
    """A method, its number of features, and the predictions that it makes."""

    method: str
    size: int
    predict: Callable[[], np.ndarray]
    targets: np.ndarray


def cases(name: str, kernel: Callable[..., Any], problem: Problem, noise: float, key: Any) -> Iterator[Case]:
    """The exact kernel, then random features and Nystrom in growing numbers."""
    n, d = problem.x.shape
    yield Case("exact", n, partial(exactly, kernel, problem, noise), problem.y_test)
    for size in SIZES:
        if name == "NTK":
            random = partial(rf.features, NETWORK, size, input_shape=(d,), key=key)
        else:
            random = partial(rf.fourier_features, d, size, lengthscale=d**0.5, key=key)
        yield Case("random", size, partial(by_features, random, problem, noise), problem.y_test)
        if size <= n:
            landmarks = problem.x[rf.uniform_landmarks(n, size, key=key)]
            nystrom = partial(rf.nystrom_features, kernel, landmarks)
            yield Case("Nystrom", size, partial(by_features, nystrom, problem, noise), problem.y_test)


def measured(splits: tuple[Case, ...]) -> tuple[float, float]:
    """The least seconds of the splits, and the mean of their root mean squared errors."""
    times, errors = [], []
    for case in splits if len(splits) > 1 or splits[0].method == "exact" else 2 * splits:
        start = time.perf_counter()
        predicted = case.predict()
        times.append(time.perf_counter() - start)
        errors.append(np.sqrt(np.mean((predicted - case.targets) ** 2)))
    return min(times), float(np.mean(errors))


def costs(path: pathlib.Path, figure: pathlib.Path | None, console: Console) -> None:
    problems, rows, stages = load(path), [], Stages()
    n, d = problems[0].x.shape
    splits = f"{len(problems)} split{'s' * (len(problems) > 1)}"
    table = Table(title=f"{path.stem}: {n:,} rows to learn from, {d} columns, {splits}")
    for column in ("kernel", "method", "features", "seconds", "test RMSE", "against exact"):
        table.add_column(column, justify="right" if column not in ("kernel", "method") else "left")
    kernels = {"Gaussian kernel": rf.Stationary("gaussian", d**0.5), "NTK": nl.kernel(NETWORK).ntk}
    for name, kernel in kernels.items():
        with stages.stage(f"{name}: the regularisation"):
            noises = [noise_of(kernel, problem) for problem in problems]
        keys = jax.random.split(KEY, len(problems))
        listed = list(
            zip(*(cases(name, kernel, *given) for given in zip(problems, noises, keys, strict=True)), strict=True)
        )
        reference = None
        with stages.stage(f"{name}: exactly, by features, by landmarks", len(listed)) as advance:
            for case in listed:
                took, rmse = measured(case)
                reference = reference or rmse
                method, size, *_ = case[0]
                rows.append((name, method, size, took, rmse))
                table.add_row(name, method, f"{size:,}", f"{took:.2f}", f"{rmse:.4f}", f"{rmse / reference - 1:+.2%}")
                advance(f"{method}, {size:,}")
    console.print(table)
    if figure:
        from nnlimits.plots.feature_costs import feature_costs
        from nnlimits.plots.style import save

        console.print(f"wrote {save(feature_costs(rows, path.stem), figure)}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("speed").add_argument("--rounds", type=int, default=7)
    part = parts.add_parser("costs")
    part.add_argument("set", type=pathlib.Path)
    part.add_argument("--figure", type=pathlib.Path)
    options, console = parser.parse_args(arguments), Console(highlight=False, width=120)
    if options.part == "speed":
        speed(options.rounds, console)
    else:
        costs(options.set, options.figure, console)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
