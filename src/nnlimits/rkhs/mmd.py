"""The maximum mean discrepancy of two samples, and tests of whether they are from one distribution."""

import math
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float
from scipy.special import ndtr

from nnlimits.nn.fields import as_integer
from nnlimits.rkhs.evaluation import (
    Inputs,
    KernelFunction,
    check_kernel,
    check_points,
    check_same_features,
    gram_matrix,
    paired,
    seeded,
)
from nnlimits.rkhs.summary import summary

_COLUMNS = 2**22
"""Entries of the permutations that are tried at once."""


class MMDTest(NamedTuple):
    """A test of whether two samples are from one distribution."""

    statistic: float
    """An unbiased estimate of the squared discrepancy; negative ones are estimates of zero."""
    p_value: float
    """The probability, if both distributions are one, of a statistic as large."""
    null: Float[np.ndarray, " permutations"]
    """The statistic of each permutation; none for the linear-time test."""

    def __repr__(self) -> str:
        return summary(self)


def squared_mmd(kernel: KernelFunction, x: ArrayLike, y: ArrayLike) -> float:
    """The unbiased estimate of the squared maximum mean discrepancy, `|mean of k(x, .) - mean of k(y, .)|^2`.

    Pairs of an example with itself are left out (Gretton et al. 2012, equation 3), so it may be negative.

    **Arguments:** `kernel`; `x`, (n, ...), and `y`, (m, ...): samples, of two examples or more.

    **Raises:** `TypeError` for what is no kernel; `ValueError` for other features, one example only, or NaN.
    """
    points, n = _pooled(kernel, x, y)
    matrix = gram_matrix(kernel, points)
    return float(_unbiased(matrix, np.diagonal(matrix).copy(), _first(n, len(points))[:, None], n)[0])


def biased_squared_mmd(kernel: KernelFunction, x: ArrayLike, y: ArrayLike) -> float:
    """The squared discrepancy of the two samples themselves, never negative (Gretton et al. 2012, equation 5); as `squared_mmd`.

    It exceeds the squared discrepancy of the distributions by the order of `1/n + 1/m`.
    """
    points, n = _pooled(kernel, x, y)
    signs = np.where(np.arange(len(points)) < n, 1 / n, -1 / (len(points) - n))
    return max(0.0, float(signs @ gram_matrix(kernel, points) @ signs))


def mmd_test(kernel: KernelFunction, x: ArrayLike, y: ArrayLike, *, permutations: int = 500, seed: int = 0) -> MMDTest:
    """A permutation test with the unbiased discrepancy: exact, for samples of any size.

    The p-value counts the sample itself among the permutations, so that under the null hypothesis it is below `a` with a
    probability of at most `a` (Phipson & Smyth 2010). With a characteristic kernel every difference is found in the end.

    **Arguments:** as of `squared_mmd`; `permutations`, how many are drawn: the least p-value is `1 / (permutations + 1)`; `seed`.

    **Returns:** an `MMDTest`. **Raises:** as `squared_mmd`; `ValueError` for no permutations.
    """
    count = as_integer("permutations", 1, permutations)
    points, n = _pooled(kernel, x, y)
    matrix = gram_matrix(kernel, points)
    diagonal, total = np.diagonal(matrix).copy(), len(points)
    statistic = float(_unbiased(matrix, diagonal, _first(n, total)[:, None], n)[0])
    generator, null = seeded(seed), np.empty(count)
    step = max(1, _COLUMNS // total)
    for start in range(0, count, step):
        width = min(step, count - start)
        drawn = generator.permuted(np.repeat(_first(n, total)[:, None], width, axis=1), axis=0)
        null[start : start + width] = _unbiased(matrix, diagonal, drawn, n)
    as_large = null >= statistic - 1e-12 * abs(statistic)
    return MMDTest(statistic, (1 + float(as_large.sum())) / (count + 1), null)


def linear_mmd_test(kernel: KernelFunction, x: ArrayLike, y: ArrayLike) -> MMDTest:
    """A test in linear time for large samples: the mean of `k(x, x') + k(y, y') - k(x, y') - k(x', y)` over disjoint pairs.

    Its distribution is normal (Gretton et al. 2012, section 6), so that nothing is permuted; it takes many more examples than
    `mmd_test` to find the same difference.

    **Arguments:** as of `squared_mmd`, with as many examples of both, 16 or more. **Returns:** an `MMDTest` without permutations.

    **Raises:** as `squared_mmd`; `ValueError` for samples of other sizes, or too few.
    """
    points, n = _pooled(kernel, x, y)
    if len(points) != 2 * n or n < 16:
        raise ValueError(
            f"x and y must have as many examples, 16 or more; received {n} and {len(points) - n}: mmd_test takes any sizes"
        )
    half = n // 2
    first, second = points[: 2 * half : 2], points[1 : 2 * half : 2]
    third, fourth = points[n : n + 2 * half : 2], points[n + 1 : n + 2 * half : 2]
    terms = paired(kernel, first, second) + paired(kernel, third, fourth)
    terms -= paired(kernel, first, fourth) + paired(kernel, second, third)
    error = float(terms.std(ddof=1)) / math.sqrt(half)
    statistic = float(terms.mean())
    p_value = float(ndtr(-statistic / error)) if error > 0 else float(statistic <= 0)
    return MMDTest(statistic, p_value, np.empty(0))


def _pooled(kernel: KernelFunction, x: ArrayLike, y: ArrayLike) -> tuple[Inputs, int]:
    check_kernel(kernel)
    first, second = check_points("x", x), check_points("y", y)
    check_same_features(first, second, "x", "y")
    if min(len(first), len(second)) < 2:
        raise ValueError(f"x and y must have two examples or more; received {len(first)} and {len(second)}")
    return np.concatenate([first, second]), len(first)


def _first(n: int, total: int) -> Float[np.ndarray, " total"]:
    return (np.arange(total) < n).astype(float)


def _unbiased(
    matrix: np.ndarray, diagonal: np.ndarray, members: Float[np.ndarray, "total p"], n: int
) -> Float[np.ndarray, " p"]:
    """The statistic for each column that marks the `n` members of the first sample with one."""
    m = len(matrix) - n
    sums = matrix @ members
    own = (members * sums).sum(0)
    cross = sums.sum(0) - own
    rest = matrix.sum() - own - 2 * cross
    trace = diagonal @ members
    return (own - trace) / (n * (n - 1)) + (rest - (diagonal.sum() - trace)) / (m * (m - 1)) - 2 * cross / (n * m)
