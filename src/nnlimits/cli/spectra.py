"""What `explain` computes: kernels by angle, and their spectra on data."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

import nnlimits as nl
from nnlimits import datasets, nn
from nnlimits.cli.targets import as_task, encoded

Vector = Float[np.ndarray, " n"]


class KernelValues(NamedTuple):
    """Both kernels between two inputs of unit mean square, by the angle between them."""

    degrees: Vector
    nngp: Vector
    ntk: Vector
    variance: float
    """Of the outputs: the NNGP of equal inputs."""
    gradient: float
    """The NTK of equal inputs."""

    def rows(self) -> Iterator[list[float]]:
        """Correlation in, NNGP, NTK, correlation out and relative NTK, angle by angle."""
        for degrees, nngp, ntk in zip(self.degrees, self.nngp, self.ntk, strict=True):
            yield [np.cos(np.radians(degrees)), nngp, ntk, nngp / self.variance, ntk / self.gradient]


class Sample(NamedTuple):
    """Standardised inputs `(n, d)`, targets `(n, outputs)`, and what they are called."""

    name: str
    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, "n o"] | None


class Spectrum(NamedTuple):
    """The spectra of both kernels, in descending order, and what follows for training at half the largest stable rate."""

    nngp: Vector
    ntk: Vector
    target_share: Vector
    n_targets: int

    @property
    def max_learning_rate(self) -> float:
        """`2 N / largest eigenvalue` of the NTK, `N` the number of targets."""
        return float(2 * self.n_targets / self.ntk[0])

    @property
    def condition_number(self) -> float:
        """Of the NTK."""
        return float(self.ntk[0] / max(self.ntk[-1], np.finfo(float).tiny))

    def steps_to(self, fraction: float) -> Vector:
        """Steps of gradient descent that shrink the error along each eigenvector to `fraction` of what it was."""
        with np.errstate(divide="ignore"):
            return np.maximum(1, np.ceil(np.log(fraction) / np.log1p(-self.ntk / self.ntk[0])))

    def rows(self, n: int) -> Iterator[list[float]]:
        """Both eigenvalues, the NTK's share of the trace, that of the targets, and steps to a half and to one per cent."""
        half, hundredth = self.steps_to(0.5), self.steps_to(0.01)
        for i in range(min(n, len(self.ntk))):
            share = self.ntk[i] / self.ntk.sum()
            yield [self.nngp[i], self.ntk[i], share, self.target_share[i], half[i], hundredth[i]]


def kernel_values(network: nn.Layer, degrees: Sequence[int]) -> KernelValues:
    """The kernels of a network between inputs at these angles."""
    angles = np.radians(np.asarray(degrees, float))
    fixed = np.array([[1.0, 0.0]]) * 2**0.5
    turned = np.stack([np.cos(angles), np.sin(angles)], axis=1) * 2**0.5
    kernel = nl.kernel(network)
    nngp, ntk = (np.asarray(k, np.float64)[0] for k in kernel(fixed, turned))
    own = kernel.diagonal(fixed)
    return KernelValues(np.asarray(degrees, float), nngp, ntk, float(own.nngp[0]), float(own.ntk[0]))


def spectrum(network: nn.Layer, sample: Sample) -> Spectrum:
    """Spectra of a network's kernels on data."""
    nngp, ntk = (np.asarray(matrix) for matrix in nl.kernel(network)(sample.x))
    outputs = int(np.prod(network.output_shape(sample.x.shape[1:]))) if sample.y is None else sample.y.shape[1]
    values, vectors = scipy.linalg.eigh(ntk)
    share = np.full(len(values), np.nan)
    if sample.y is not None:
        share = ((vectors.T @ sample.y) ** 2).sum(1) / max((sample.y**2).sum(), np.finfo(float).tiny)
    nngp_values = scipy.linalg.eigvalsh(nngp)
    return Spectrum(nngp_values[::-1].clip(0), values[::-1].clip(0), share[::-1], len(ntk) * outputs)


def digits_sample(rows: int, seed: int) -> Sample:
    """At most `rows` of scikit-learn's digits."""
    train, _ = datasets.digits(min(max(rows, 10), 1787), seed=seed)
    x, y = train.x.astype(np.float64)[:rows], train.targets.astype(np.float64)[:rows]
    return Sample(f"{len(x)} of scikit-learn's digits, standardised image by image", x, y)


def table_sample(path: Path, target: str | None, rows: int, seed: int) -> Sample:
    """At most `rows` of a table, its columns standardised, its target too (or in one-hot codes, if it is a class)."""
    frame = datasets.read_table(path)
    y = None
    if target is not None:
        values = datasets.column(frame, target)
        datasets.check_complete(values, target)
        y = encoded(values, as_task("auto", values).task)
    names = [name for name in frame.columns if name != target]
    if not names:
        raise ValueError(f"{path} has no columns beside the target {target!r}")
    x = datasets.numeric_features(frame, names)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(x))[:rows])
    x = x[chosen]
    if len(x) < 2:
        raise ValueError(f"{path} has {len(x)} row; a spectrum needs at least two")
    scale = x.std(0)
    x = (x - x.mean(0)) / np.where(scale > 1e-12 * abs(x).max(0), scale, 1.0)
    name = f"{len(x)} of {len(frame)} rows of {path}, columns standardised"
    return Sample(name, x, None if y is None else y[chosen])
