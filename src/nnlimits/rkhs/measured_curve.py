"""Learning curves as they are measured: kernel ridge regression on random subsets of growing size."""

from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from nnlimits.compute.solve import add_to_diagonal, factorize
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore
from nnlimits.rkhs.evaluation import (
    Examples,
    KernelFunction,
    check_examples,
    check_kernel,
    check_same_features,
    cross_gram,
    gram_matrix,
    seeded,
)
from nnlimits.validation import check_non_negative

Sizes = Float[np.ndarray, " sizes"]


class MeasuredCurve(NamedTuple):
    """Mean squared errors of kernel ridge regression, by the number of examples and by the subset that was drawn."""

    sizes: Sizes
    test: Float[np.ndarray, "sizes draws"]
    """The sum over outputs of the mean squared error at the test inputs."""
    train: Float[np.ndarray, "sizes draws"]
    """That at the examples of the subset."""

    @property
    def mean(self) -> Sizes:
        """The test error, averaged over subsets."""
        return self.test.mean(1)

    @property
    def standard_error(self) -> Sizes:
        """Of the mean, from how subsets differ; that of the test set, which they share, is not in it."""
        return self.test.std(1, ddof=1) / np.sqrt(self.test.shape[1])

    @property
    def relative_errors(self) -> Sizes:
        """The standard errors, relative to the means."""
        return self.standard_error / self.mean


def measured_learning_curve(
    kernel: KernelFunction,
    x: ArrayLike,
    y: ArrayLike,
    x_test: ArrayLike,
    y_test: ArrayLike,
    sizes: Any,
    *,
    ridge: int | float = 0.0,
    draws: int = 8,
    seed: int = 0,
    advance: Advance = ignore,
) -> MeasuredCurve:
    """Test and training errors of kernel ridge regression on random subsets of a pool of examples.

    The Gram matrix of the pool and its covariance with the test inputs are computed once.

    **Arguments:** `kernel`; `x`, `y`, the pool, (p, ...) and (p,) or (p, outputs); `x_test`, `y_test`; `sizes`, of
    subsets, at most p; `ridge`, what is added to the diagonal; `draws`, subsets of each size, at least 2; `seed`;
    `advance`, told of each size.

    **Returns:** a `MeasuredCurve`; errors are summed over outputs.

    **Raises:** `TypeError` for what is no kernel; `ValueError` for bad data, a negative ridge, or sizes beyond the pool;
    `numpy.linalg.LinAlgError` (a `ValueError`) if a Gram matrix cannot be solved with: give a ridge.
    """
    check_kernel(kernel)
    check_non_negative("ridge", ridge)
    pool, test = check_examples(x, y), check_examples(x_test, y_test, ("x_test", "y_test"))
    check_same_features(test.points, pool.points, "x_test", "x")
    outputs = pool.targets.shape[1], test.targets.shape[1]
    if outputs[0] != outputs[1]:
        raise ValueError(f"y has {outputs[0]} outputs and y_test {outputs[1]}; they must have as many")
    counts = _subset_sizes(sizes, len(pool.points))
    repeats = as_integer("draws", 2, draws)
    matrix, cross = gram_matrix(kernel, pool.points), cross_gram(kernel, test.points, pool.points)
    advance("kernels")
    generator = seeded(seed)
    errors = np.empty((2, len(counts), repeats))
    for i, count in enumerate(counts):
        for j in range(repeats):
            rows = generator.choice(len(pool.points), count, replace=False)
            errors[:, i, j] = _errors(matrix, cross, pool, test, rows, ridge)
        advance(f"{count} examples")
    return MeasuredCurve(counts.astype(float), errors[0], errors[1])


def _errors(
    matrix: np.ndarray, cross: np.ndarray, pool: Examples, test: Examples, rows: np.ndarray, ridge: float
) -> tuple[float, float]:
    own, targets = matrix[np.ix_(rows, rows)], pool.targets[rows]
    weights = factorize(add_to_diagonal(own, ridge), targets, remedy="ridge").solve(targets)
    missed = test.targets - cross[:, rows] @ weights
    return float((missed**2).sum(1).mean()), float(((targets - own @ weights) ** 2).sum(1).mean())


def _subset_sizes(sizes: Any, pool: int) -> np.ndarray:
    counts = np.array([as_integer("sizes", 1, size) for size in np.atleast_1d(np.asarray(sizes)).tolist()])
    if not len(counts) or counts.max() > pool:
        raise ValueError(f"sizes must be from 1 to the {pool} examples of the pool; received {counts.tolist()}")
    return counts
