"""Ridge regression on rows that are all at hand."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import ArrayLike, Float

from nnlimits.random_features.ridge import RidgeStatistics
from nnlimits.random_features.ridge_regression import (
    RidgeRegression,
    RidgeSolution,
    factor_of_shifted,
    relative_residual,
    rows_and_targets,
)

BATCH_ROWS = 4096
"""Added at a time to the statistics of many rows."""


@dataclass(frozen=True, eq=False)
class DualSolution(RidgeSolution):
    """A `RidgeSolution` whose `lower` is the factor of `K + n lambda I`, `K = Phi Phi^T`."""

    features: Float[np.ndarray, "n features"]
    """Those learned from, `Phi`."""

    def leverage(self, features: Float[ArrayLike, "m features"]) -> Float[np.ndarray, " m"]:
        """As of a `RidgeSolution`, `(|phi|^2 - k^T (K + n lambda I)^{-1} k) / (n lambda)` with `k = Phi phi`.

        The difference cancels: its rounding error is `eps |phi|^2 / (n lambda)`.
        """
        phi = np.asarray(features, np.float64)
        columns = np.asfortranarray(self.features @ phi.T)
        whitened = scipy.linalg.blas.dtrsm(1.0, self.lower, columns, lower=1, overwrite_b=1)
        left = np.einsum("ij,ij->i", phi, phi) - np.einsum("ij,ij->j", whitened, whitened)
        return left.clip(0) / (self.n_examples * self.ridge)


class DualRidge(RidgeRegression):
    """Ridge regression by the features' kernel on the rows, a system of as many unknowns as there are rows.

    It solves the same problem as `RidgeStatistics`, in `n^2 features + n^3 / 3` operations in the place of
    `n features^2 + features^3 / 3`: for fewer rows than features, of which all are at hand. Memory: the rows in float64, and
    `16 n^2` bytes.

    **Arguments:** `features` (n, features), of any floating dtype; `targets` (n,) or (n, outputs).

    **Raises:** `ValueError` for other shapes, no rows, or entries that are not finite, with their place.

    Saunders, Gammerman & Vovk 1998, "Ridge regression learning algorithm in dual variables".
    """

    def __init__(self, features: ArrayLike, targets: ArrayLike) -> None:
        self._features, self._targets = rows_and_targets(features, targets)
        self.n_examples, self.n_features = self._features.shape
        self._kernel = scipy.linalg.blas.dsyrk(1.0, self._features.T, trans=1, lower=1)

    def _solution(self, ridge: float) -> DualSolution | None:
        n, shift = self.n_examples, self.n_examples * ridge
        lower = factor_of_shifted(self._kernel, shift)
        if lower is None:
            return None
        offset = self._targets.mean(0)
        centred = self._targets - offset
        dual, _ = scipy.linalg.lapack.dpotrs(lower, centred, lower=1)
        # y - K a = shift a, as (K + shift) a = y
        residual = relative_residual(np.square(shift * dual).sum(0), np.square(centred).sum(0), n)
        return DualSolution(self._features.T @ dual, offset, ridge, n, residual, lower, self._features)

    def _trace(self) -> float:
        return float(np.trace(self._kernel))


def ridge_on_rows(features: ArrayLike, targets: ArrayLike) -> RidgeRegression:
    """Ridge regression on rows that are all at hand, by the smaller of the two systems: features or rows.

    **Arguments:** `features` (n, features); `targets` (n,) or (n, outputs).

    **Returns:** a `RidgeRegression`: `.solve(ridge)` at one regularisation, `.select()` at the best.

    **Raises:** `ValueError` for other shapes, no rows, or entries that are not finite, with their place.
    """
    z, y = rows_and_targets(features, targets)
    n, m = z.shape
    if n < m:
        return DualRidge(z, y)
    statistics = RidgeStatistics(m, y.shape[1])
    for start in range(0, n, BATCH_ROWS):
        statistics.partial_fit(z[start : start + BATCH_ROWS], y[start : start + BATCH_ROWS])
    return statistics
