"""Ridge regression on features that arrive in batches."""

import numpy as np
import scipy.linalg
from jaxtyping import ArrayLike

from nnlimits.nn.fields import as_integer
from nnlimits.random_features.ridge_regression import (
    RidgeRegression,
    RidgeSolution,
    factor_of_shifted,
    relative_residual,
)
from nnlimits.validation import check_finite


class RidgeStatistics(RidgeRegression):
    """All that ridge regression needs to know of examples, in memory that does not grow with their number.

    It accumulates `Phi^T Phi` and `Phi^T y` in float64: in whatever batches and order the examples come, the solution is the
    same to the rounding errors of float64. Memory: `8 n_features^2` bytes, and as much again while solving: 0.5 GiB for 8,192
    features, 0.5 more. Of fewer rows than features, all at hand, `DualRidge` learns the same in less.

    **Arguments:** `n_features`, `n_outputs`.

    **Raises:** `TypeError` or `ValueError` naming the argument that is out of range.
    """

    def __init__(self, n_features: int, n_outputs: int = 1) -> None:
        self.n_features = as_integer("n_features", 1, n_features)
        self.n_outputs = as_integer("n_outputs", 1, n_outputs)
        self.n_examples = 0
        self._gram = np.zeros((n_features, n_features), order="F")  # its lower triangle
        self._cross = np.zeros((n_features, n_outputs))
        self._sums = np.zeros(n_features)
        self._targets = np.zeros(n_outputs)
        self._squares = np.zeros((n_outputs, n_outputs))

    def partial_fit(self, features: ArrayLike, targets: ArrayLike) -> "RidgeStatistics":
        """Add examples.

        **Arguments:** `features` (n, n_features), of any floating dtype; `targets` (n,) or (n, n_outputs).

        **Raises:** `ValueError` for other shapes, or entries that are not finite, with their place; then nothing was added.
        """
        z, y = np.asarray(features, np.float64), np.asarray(targets, np.float64)
        y = y[:, None] if y.ndim == 1 else y
        if z.ndim != 2 or z.shape[1] != self.n_features:
            raise ValueError(f"features must have shape (n, {self.n_features}); received {z.shape}")
        if y.shape != (len(z), self.n_outputs):
            raise ValueError(f"targets must have shape {(len(z), self.n_outputs)}; received {np.shape(targets)}")
        check_finite("features", z)
        check_finite("targets", y)
        self._gram = scipy.linalg.blas.dsyrk(1.0, z.T, 1.0, self._gram, lower=1, overwrite_c=1)
        self._cross += z.T @ y
        self._sums += z.sum(0)
        self._targets += y.sum(0)
        self._squares += y.T @ y
        self.n_examples += len(z)
        return self

    def _solution(self, ridge: float) -> RidgeSolution | None:
        n, shift = self.n_examples, self.n_examples * ridge
        lower = factor_of_shifted(self._gram, shift)
        if lower is None:
            return None
        offset = self._targets / n
        cross = self._cross - self._sums[:, None] * offset
        weights, _ = scipy.linalg.lapack.dpotrs(lower, cross, lower=1)
        variation = np.diagonal(self._squares) - n * offset**2
        # |Phi w - y|^2 = |y|^2 - <w, Phi^T y> - shift |w|^2, as (Phi^T Phi + shift) w = Phi^T y
        squares = variation - np.einsum("ij,ij->j", weights, cross) - shift * np.einsum("ij,ij->j", weights, weights)
        return RidgeSolution(weights, offset, ridge, n, relative_residual(squares, variation, n), lower)

    def _trace(self) -> float:
        return float(np.trace(self._gram))
