"""Ridge regression on features against the exact kernel, on regression tables.

    python benchmarks/feature_regression.py FOLDER [--sets yacht energy ...] [--splits 10] [--features 8192]
        [--methods random Nystrom ...] [--json results.json] [--figure ratios.png]

FOLDER holds one NPZ file a table: `X`, `y`, and rows `train0`, `test0`, `train1`, ... of splits. The kernels are the Gaussian one
(lengthscale sqrt(d)) and the NTK of three hidden ReLU layers, on columns and targets standardised by the training rows:

- exact: kernel ridge regression;
- Nystrom: as many features, whose landmarks are training rows at random (all, if they are not more);
- random: Fourier features, or those of the network;
- leverage: Fourier features, drawn by their ridge leverage scores from a pool of twice as many;
- independent: as many random Gaussian features with exactly the kernel as their covariance, which cannot be computed without it.
  They show what good features lose by owing nothing to the data.

Every method has the noise of its own least generalised cross-validation error on up to 2,000 distinct training rows; test rows
choose nothing. The ratio is that of root mean squared errors on test rows, each to the exact kernel's in the same split. All is
solved by Gram matrices of the training rows, as these are fewer than features, or hardly more.
"""

import argparse
import json
import pathlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.linalg
from regression_tables import Problem, chosen_noise, standardized, tuning_rows
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import nnlimits as nl
from nnlimits import random_features as rf
from nnlimits.compute.cholesky import cholesky_in_place
from nnlimits.presets import mlp

MOST_ROWS = 10_000
INDEPENDENT_ROWS = 2000
"""Tables up to so many training rows have independent features drawn for them."""
METHODS = ("Nystrom", "independent", "random", "leverage")
POOL = 2
NETWORK = mlp(depth=3, b_std=0.3)

Kernel = Callable[..., Any]


class Matrices(NamedTuple):
    """A kernel, or features' approximation of it, between the training rows, and between test and training rows."""

    gram: np.ndarray
    cross: np.ndarray
    features: int


class Measured(NamedTuple):
    """What a method gave on a split."""

    rmse: float
    noise: float
    effective_dimension: float
    features: int
    seconds: float


def load(path: pathlib.Path, split: int) -> Problem:
    with np.load(path) as data:
        return standardized(data["X"], data["y"], data[f"train{split}"], data[f"test{split}"])


def measured(make: Callable[[], Matrices], problem: Problem) -> Measured:
    start = time.perf_counter()
    gram, cross, features = make()
    rows = tuning_rows(problem.x)
    noise, dimension = chosen_noise(gram[np.ix_(rows, rows)], problem.y[rows])
    shifted = np.array(gram, order="F")
    shifted.flat[:: len(gram) + 1] += noise
    lower = cholesky_in_place(shifted)
    if lower is None:
        raise ValueError(f"the Gram matrix is not positive definite with noise {noise:.2g}")
    mean = problem.y.mean()
    predicted = cross @ scipy.linalg.cho_solve((lower, True), problem.y - mean, check_finite=False) + mean
    rmse = float(np.sqrt(np.mean((predicted - problem.y_test) ** 2)))
    return Measured(rmse, noise, dimension, features, time.perf_counter() - start)


def exactly(kernel: Kernel, problem: Problem) -> Matrices:
    gram = np.asarray(kernel(problem.x, problem.x), np.float64)
    return Matrices(gram, np.asarray(kernel(problem.x_test, problem.x), np.float64), len(gram))


def by_features(embed: Callable[[np.ndarray], Any], problem: Problem) -> Matrices:
    """Features that owe nothing to targets, in single precision if they are random: their rounding is far below their error."""
    z, test = (np.asarray(embed(x), np.float64) for x in (problem.x, problem.x_test))
    return Matrices(symmetric_product(z), test @ z.T, z.shape[1])


def symmetric_product(z: np.ndarray) -> np.ndarray:
    """`z z^T`, by half of the multiplications."""
    lower = scipy.linalg.blas.dsyrk(1.0, z.T, trans=1, lower=1)
    return np.tril(lower) + np.tril(lower, -1).T


def nystrom(kernel: Kernel, problem: Problem, count: int, key: Any) -> Matrices:
    rows = rf.uniform_landmarks(len(problem.x), min(count, len(problem.x)), key=key)
    return by_features(rf.nystrom_features(kernel, problem.x[rows]), problem)


def leverage(pool: Any, problem: Problem, count: int, key: Any) -> Matrices:
    """By the scores at the noise that the pool's own kernel has."""
    rows = tuning_rows(problem.x)
    x = problem.x[rows]
    z = np.asarray(pool(x))
    noise, _ = chosen_noise(z @ z.T, problem.y[rows])
    return by_features(rf.leverage_weighted(pool, x, count, noise / len(x), key=key), problem)


def independent(kernel: Kernel, problem: Problem, count: int, seed: int) -> Matrices:
    """Of Gaussian features with the kernel as covariance, the inner products."""
    x, n = np.concatenate([problem.x, problem.x_test]), len(problem.x)
    whole = np.asarray(kernel(x, x), np.float64)
    values, vectors = np.linalg.eigh(whole)
    random = np.random.default_rng(seed).standard_normal((len(x), count))
    z = (vectors * np.sqrt(values.clip(0) / count)) @ random
    return Matrices(z[:n] @ z[:n].T, z[n:] @ z[:n].T, count)


def network_features(d: int, count: int, key: Any) -> Callable[[np.ndarray], Any]:
    embed = rf.features(NETWORK, count, input_shape=(d,), key=key)
    return lambda x: embed(x.astype(np.float32))


def methods(problem: Problem, count: int, split: int) -> Iterator[tuple[str, str, Callable[[], Matrices]]]:
    """Kernel, method, and how its matrices are made; the exact one of each kernel first."""
    n, d = problem.x.shape
    key, other = jax.random.split(jax.random.key(split))
    gaussian = rf.Stationary("gaussian", d**0.5)
    ntk = nl.kernel(NETWORK).ntk
    for name, kernel in (("Gaussian", gaussian), ("NTK", ntk)):
        yield name, "exact", lambda kernel=kernel: exactly(kernel, problem)
        yield name, "Nystrom", lambda kernel=kernel: nystrom(kernel, problem, count, key)
        if n <= INDEPENDENT_ROWS:
            yield name, "independent", lambda kernel=kernel: independent(kernel, problem, count, split)
        if name == "Gaussian":
            pool = rf.fourier_features(d, POOL * count, lengthscale=d**0.5, key=other)
            fourier = rf.fourier_features(d, count, lengthscale=d**0.5, key=key)
            yield name, "random", lambda embed=fourier: by_features(embed, problem)
            yield name, "leverage", lambda pool=pool: leverage(pool, problem, count, key)
        else:
            yield name, "random", lambda: by_features(network_features(d, count, key), problem)


Results = dict[tuple[str, str], list[Measured]]


def run(
    path: pathlib.Path, splits: range, count: int, chosen: Sequence[str], told: Callable[[str], None]
) -> tuple[Results, tuple[int, int]]:
    results: Results = {}
    shape = (0, 0)
    for split in splits:
        problem = load(path, split)
        shape = problem.x.shape
        for kernel, method, make in methods(problem, count, split):
            if method not in ("exact", *chosen):
                continue
            told(f"{path.stem}, split {split}: {kernel}, {method}")
            results.setdefault((kernel, method), []).append(measured(make, problem))
    return results, shape


def ratio(results: Results, kernel: str, method: str) -> tuple[float, float]:
    """The mean ratio of errors to the exact kernel's, and its standard error (NaN of one split)."""
    pairs = zip(results[kernel, method], results[kernel, "exact"], strict=True)
    ratios = np.array([mine.rmse / exact.rmse for mine, exact in pairs])
    spread = ratios.std(ddof=1) / len(ratios) ** 0.5 if len(ratios) > 1 else np.nan
    return float(ratios.mean()), float(spread)


def table(name: str, shape: tuple[int, int], results: Results) -> Table:
    splits = len(next(iter(results.values())))
    shown = Table(title=f"{name}: {shape[0]:,} training rows, {shape[1]} columns, {splits} splits")
    for column in ("kernel", "method", "features", "test RMSE", "ratio to exact", "effective dimension", "seconds"):
        shown.add_column(column, justify="left" if column in ("kernel", "method") else "right")
    for (kernel, method), found in results.items():
        mean, error = ratio(results, kernel, method)
        against = "" if method == "exact" else f"{mean:.4f} ± {error:.4f}"
        rmse, dimension, seconds = (np.mean([getattr(m, f) for m in found]) for f in Measured._fields if f in _MEANS)
        row = kernel, method, f"{found[0].features:,}", f"{rmse:.4f}", against, f"{dimension:.0f}", f"{seconds:.1f}"
        shown.add_row(*row)
    return shown


_MEANS = ("rmse", "effective_dimension", "seconds")


def figure(everything: dict[str, Results]) -> Any:
    """Ratios with two standard errors, a row for each table."""
    from nnlimits.plots.style import COLORS, legend, new_figure, title

    looks = {
        "Nystrom": ("blue", "o"),
        "random": ("orange", "s"),
        "leverage": ("green", "D"),
        "independent": ("faint", "^"),
    }
    drawn, axes = new_figure(1, 2, width=10.5, height=1.6 + 0.55 * len(everything), sharey=True)
    for axis, kernel in zip(axes[0], ("Gaussian", "NTK"), strict=True):
        axis.axvspan(0.98, 1.02, color=COLORS["sky"], alpha=0.2, linewidth=0)
        axis.axvline(1, color=COLORS["theory"], linewidth=1)
        for place, (method, (color, marker)) in enumerate(looks.items()):
            rows = [(i, ratio(r, kernel, method)) for i, r in enumerate(everything.values()) if (kernel, method) in r]
            if rows:
                heights = [i + 0.17 * (place - 1.5) for i, _ in rows]
                means, errors = zip(*[value for _, value in rows], strict=True)
                style = {"fmt": marker, "color": COLORS[color], "capsize": 2, "markersize": 5}
                axis.errorbar(means, heights, xerr=2 * np.nan_to_num(errors), label=method, **style)
        axis.set(xlabel="RMSE / RMSE of the exact kernel")
        title(axis, f"{kernel} kernel")
    axes[0, 0].set_yticks(range(len(everything)), list(everything))
    axes[0, 0].invert_yaxis()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    legend(axes[0, 1], handles=handles, labels=labels, loc="center left", bbox_to_anchor=(1, 0.5))
    return drawn


def tables_of(folder: pathlib.Path, names: list[str] | None) -> list[pathlib.Path]:
    """The tables named, or all with at most 10,000 rows, the smallest first."""
    paths = [folder / f"{name}.npz" for name in names] if names else sorted(folder.glob("*.npz"))
    sizes = {}
    for path in paths:
        with np.load(path) as data:
            sizes[path] = len(data["y"])
    return sorted((path for path in paths if names or sizes[path] <= MOST_ROWS), key=sizes.__getitem__)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--sets", nargs="+", help="names of tables (default: all of at most 10,000 rows)")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--features", type=int, default=8192)
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=METHODS, help="which (default: all), and exact"
    )
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--figure", type=pathlib.Path)
    options, console = parser.parse_args(arguments), Console(highlight=False, width=120)
    everything: dict[str, Results] = {}
    with Progress(TextColumn("{task.description}"), TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task("")
        for path in tables_of(options.folder, options.sets):

            def told(step: str) -> None:
                progress.update(task, description=step)

            results, shape = run(path, range(options.splits), options.features, options.methods, told)
            everything[path.stem] = results
            console.print(table(path.stem, shape, results))
            if options.json:
                rows = [
                    {"set": name, "kernel": kernel, "method": method, "split": split, **one._asdict()}
                    for name, found in everything.items()
                    for (kernel, method), measurements in found.items()
                    for split, one in enumerate(measurements)
                ]
                options.json.write_text(json.dumps(rows, indent=1) + "\n")
    if options.figure:
        from nnlimits.plots.style import save

        console.print(f"wrote {save(figure(everything), options.figure)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
