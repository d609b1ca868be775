"""Ridge regression on features that arrive in batches."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import ArrayLike, Float

from nnlimits.compute.cholesky import cholesky_in_place
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_finite, check_positive

DECADES = 14
"""The smallest regularisation that is tried is this many decades below the mean eigenvalue of the features' covariance."""


class RidgeSolution(NamedTuple):
    """What ridge regression found at one regularisation."""

    weights: Float[np.ndarray, "features outputs"]
    offset: Float[np.ndarray, " outputs"]
    """The mean of the targets: predictions are `features @ weights + offset`."""
    ridge: float
    """`lambda` of `(Phi^T Phi + n lambda I)`."""
    effective_dimension: float
    """`trace(Phi^T Phi (Phi^T Phi + n lambda I)^{-1})`, how many parameters are fitted."""
    validation: float
    """The generalised cross-validation's estimate of the mean squared error of new targets, mean over outputs, in units of each
    target's variance."""
    lower: Float[np.ndarray, "features features"]
    """The Cholesky factor of `Phi^T Phi + n lambda I`, in the lower triangle; what is above it has no meaning."""

    def leverage(self, features: Float[ArrayLike, "m features"]) -> Float[np.ndarray, " m"]:
        """The weight of an example's own target in its prediction, if it is one of those learned from: `h` in (0, 1).

        Left out, it would be predicted as `(prediction - h target) / (1 - h)` (Hastie, Tibshirani & Friedman 2009, eq. 7.64).
        """
        columns = np.array(np.asarray(features, np.float64).T, order="F")
        whitened = scipy.linalg.blas.dtrsm(1.0, self.lower, columns, lower=1, overwrite_b=1)
        return np.einsum("ij,ij->j", whitened, whitened)


class RidgeStatistics:
    """All that ridge regression needs to know of examples, in memory that does not grow with their number.

    It accumulates `Phi^T Phi` and `Phi^T y` in float64: in whatever batches and order the examples come, the solution is the
    same to the rounding errors of float64. Memory: `8 n_features^2` bytes, and twice more while solving: 0.5 and 1 GiB for 8,192
    features.

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
        y = y.reshape(len(y), -1) if y.ndim else y
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

    def solve(self, ridge: float) -> RidgeSolution:
        """Ridge regression of centred targets at one regularisation, `(Phi^T Phi + n ridge I)^{-1} Phi^T (y - mean(y))`.

        That is kernel ridge regression with the features' kernel, `(K + n ridge I)^{-1}`.

        **Raises:** `ValueError` without examples, for a ridge that is not positive, or so small that the matrix cannot be
        factorized: with the least that can.
        """
        check_positive("ridge", ridge)
        solution = self._solution(ridge)
        if solution is None:
            raise ValueError(
                f"ridge {ridge:.3g} is below the rounding errors of the features' covariance; try {self._least():.1g} or more"
            )
        return solution

    def select(self, advance: Advance = ignore) -> RidgeSolution:
        """Ridge regression at the regularisation of the least generalised cross-validation error.

        From a thousandth of the mean eigenvalue, the regularisation goes down the valley of the error by factors of ten, then
        to the lowest point of a parabola through the last three, in logarithms. Each value takes `2/3 n_features^3` operations.

        **Arguments:** `advance` is told of each value tried.

        **Raises:** `ValueError` without examples.

        Golub, Heath & Wahba 1979, eq. 1.4.
        """
        self._check_examples()
        scale = self._mean_eigenvalue()
        found: dict[float, float] = {}

        def criterion(log_ridge: float) -> float:
            if log_ridge not in found:
                solution = self._solution(scale * 10.0**log_ridge) if -DECADES <= log_ridge <= 2 else None
                found[log_ridge] = math.inf if solution is None else solution.validation
                advance(f"ridge {scale * 10.0**log_ridge:.2g}")
            return found[log_ridge]

        best = self._solution(scale * 10.0 ** _lowest(criterion, -3.0))
        if best is None:
            raise ValueError("the features' covariance cannot be factorized at any regularisation")
        return best

    def _solution(self, ridge: float) -> RidgeSolution | None:
        """The solution; `None` if rounding errors leave the matrix without a factor."""
        self._check_examples()
        n, shift = self.n_examples, self.n_examples * ridge
        shifted = np.array(self._gram, order="F")
        shifted.flat[:: self.n_features + 1] += shift
        lower = cholesky_in_place(shifted)
        if lower is None:
            return None
        offset = self._targets / n
        cross = self._cross - self._sums[:, None] * offset
        weights, _ = scipy.linalg.lapack.dpotrs(lower, cross, lower=1)
        variation = np.diagonal(self._squares) - n * offset**2
        # |Phi w - y|^2 = |y|^2 - <w, Phi^T y> - shift |w|^2, as (Phi^T Phi + shift) w = Phi^T y
        residual = variation - np.einsum("ij,ij->j", weights, cross) - shift * np.einsum("ij,ij->j", weights, weights)
        fitted = self.n_features - shift * _trace_of_inverse(lower)
        unit = np.where(variation > 0, variation, 1) / n
        mean = float((residual.clip(0) / unit).mean()) / n
        # what float64 cannot tell from an exact fit is no evidence for a smaller ridge
        mean = max(mean, np.finfo(np.float64).eps)
        free = max(1 - fitted / n, np.finfo(np.float64).eps)
        return RidgeSolution(weights, offset, ridge, fitted, mean / free**2, lower)

    def _mean_eigenvalue(self) -> float:
        """Of the features' covariance `Phi^T Phi / n`, over as many as can be positive."""
        trace = float(np.trace(self._gram)) / self.n_examples
        return (trace or 1.0) / min(self.n_features, self.n_examples)

    def _least(self) -> float:
        return float(np.trace(self._gram)) / self.n_examples * np.finfo(np.float64).eps * self.n_features**0.5

    def _check_examples(self) -> None:
        if self.n_examples == 0:
            raise ValueError("there are no examples yet; give some to partial_fit first")


def _trace_of_inverse(lower: np.ndarray) -> float:
    """Of the inverse of a matrix with this Cholesky factor."""
    inverse, _ = scipy.linalg.lapack.dtrtri(lower, lower=1)
    return sum(float(np.square(inverse[j:, j]).sum()) for j in range(len(inverse)))


def _lowest(criterion: Callable[[float], float], start: float) -> float:
    """The argument of the lowest value found going downhill by steps of one, then by a parabola."""
    here = start
    for step in (-1.0, 1.0):
        while criterion(here + step) < criterion(here):
            here += step
    left, middle, right = (criterion(here + step) for step in (-1.0, 0.0, 1.0))
    if not all(map(math.isfinite, (left, middle, right))) or left + right <= 2 * middle:
        return here
    left, middle, right = map(math.log, (left, middle, right))
    bend = left + right - 2 * middle
    vertex = here + (left - right) / (2 * bend) if bend > 0 else here
    return vertex if criterion(vertex) < criterion(here) else here
