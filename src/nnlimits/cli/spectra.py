"""What `explain` computes: kernels by angle, and their spectra on data."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

import nnlimits as nl
from nnlimits import datasets, nn
from nnlimits.cli import arrays
from nnlimits.cli.targets import as_task, encoded
from nnlimits.estimators.layout import input_standardization, layout, reads_tokens
from nnlimits.estimators.standardization import standardization

Vector = Float[np.ndarray, " n"]


class KernelValues(NamedTuple):
    """Both kernels between two inputs of unit mean square, by the angle between them."""

    degrees: Vector
    nngp: Vector
    ntk: Vector
    variance: Vector
    """Of the outputs: the NNGP of equal inputs, the geometric mean of the two inputs' own."""
    gradient: Vector
    """The NTK of equal inputs, alike."""

    def rows(self) -> Iterator[list[float]]:
        """Correlation in, NNGP, NTK, correlation out and relative NTK, angle by angle."""
        for degrees, nngp, ntk, variance, gradient in zip(*self, strict=True):
            yield [np.cos(np.radians(degrees)), nngp, ntk, nngp / variance, ntk / gradient]


class Sample(NamedTuple):
    """Standardised inputs `(n, d)` or with positions, targets `(n, outputs)`, and what they are called."""

    name: str
    x: Float[np.ndarray, "n ..."]
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


def kernel_values(network: nn.Layer, degrees: Sequence[int], shape: tuple[int, ...] = (2,)) -> KernelValues | None:
    """The kernels of a network between inputs at these angles; `None` for tokens, which have none.

    Of flat inputs nothing matters but the angle. With positions, the inputs are independent normal numbers of seed 0, and so
    are the features on the nodes of a graph, a ring.
    """
    if reads_tokens(network):
        return None
    fixed, turned = _flat(degrees) if len(shape) == 1 else _with_positions(degrees, shape, layout(network, shape).edges)
    kernel = nl.kernel(network)
    nngp, ntk = (np.asarray(k, np.float64)[0] for k in kernel(fixed, turned))
    variance, gradient = (
        np.sqrt(np.asarray(own) * np.asarray(others))
        for own, others in zip(kernel.diagonal(fixed), kernel.diagonal(turned), strict=True)
    )
    return KernelValues(np.asarray(degrees, float), nngp, ntk, variance, gradient)


def _flat(degrees: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    angles = np.radians(np.asarray(degrees, float))
    return np.array([[1.0, 0.0]]) * 2**0.5, np.stack([np.cos(angles), np.sin(angles)], axis=1) * 2**0.5


def _with_positions(degrees: Sequence[int], shape: tuple[int, ...], edges: int) -> tuple[np.ndarray, np.ndarray]:
    """Turned from one drawn input to another at a right angle; the first `edges` channels are those of a ring."""
    first, second = np.random.default_rng(0).standard_normal((2, *shape[:-1], shape[-1] - edges))
    second -= first * (first * second).sum() / (first**2).sum()
    first, second = (x / np.sqrt((x**2).mean()) for x in (first, second))
    angles = np.radians(np.asarray(degrees, float)).reshape(-1, *[1] * len(shape))
    turned = np.cos(angles) * first + np.sin(angles) * second
    ring = np.roll(np.eye(edges), 1, 0) + np.roll(np.eye(edges), -1, 0)
    return _beside(ring, first[None]), _beside(ring, turned)


def _beside(ring: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.concatenate([np.broadcast_to(ring, (len(x), *ring.shape)), x], axis=-1) if len(ring) else x


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


def digits_sample(rows: int, seed: int, network: nn.Layer) -> Sample:
    """At most `rows` of scikit-learn's digits; as images, if the network does not take them flat."""
    train, _ = datasets.digits(min(max(rows, 10), 1787), seed=seed)
    x, y = train.x.astype(np.float64)[:rows], train.targets.astype(np.float64)[:rows]
    try:
        network.output_shape(x.shape[1:])
    except nn.ShapeError:
        x = x.reshape(-1, 8, 8, 1)
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
    return _sampled(path, x, y, rows, seed, standardization, "columns")


def array_sample(path: Path, target: str | None, rows: int, seed: int, network: nn.Layer, *, images: bool) -> Sample:
    """At most `rows` of the arrays of an NPZ file, standardised channel by channel; targets as in `table_sample`."""
    x, values = arrays.read(path, target, network, images=images)
    y = None if values is None else encoded(values, as_task("auto", values).task)
    entries = layout(network, x.shape[1:])
    return _sampled(path, x, y, rows, seed, lambda kept: input_standardization(kept, entries), "channels")


def _sampled(
    path: Path,
    x: np.ndarray,
    y: np.ndarray | None,
    rows: int,
    seed: int,
    standard: Callable[[np.ndarray], Any],
    what: str,
) -> Sample:
    chosen = np.sort(np.random.default_rng(seed).permutation(len(x))[:rows])
    kept = x[chosen]
    if len(kept) < 2:
        raise ValueError(f"{path} has {len(kept)} row; a spectrum needs at least two")
    name = f"{len(kept)} of {len(x)} rows of {path}, {what} standardised"
    return Sample(name, standard(kept).apply(kept), None if y is None else y[chosen])
