"""Ridge regression at one regularisation, and at the best one."""

import abc
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.linalg
from jaxtyping import ArrayLike, Float

from nnlimits.compute.cholesky import cholesky_in_place, inverse_diagonal
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_finite, check_positive

DECADES = 14
"""The smallest regularisation that is tried is this many decades below the mean eigenvalue of the features' covariance."""


@dataclass(frozen=True, eq=False)
class RidgeSolution:
    """What ridge regression found at one regularisation."""

    weights: Float[np.ndarray, "features outputs"]
    offset: Float[np.ndarray, " outputs"]
    """The mean of the targets: predictions are `features @ weights + offset`."""
    ridge: float
    """`lambda` of `(Phi^T Phi + n lambda I)`."""
    n_examples: int
    residual: float
    """The mean squared error of the targets learned from, mean over outputs, in units of each target's variance."""
    lower: Float[np.ndarray, "size size"]
    """The Cholesky factor of `Phi^T Phi + n lambda I`, zero above the diagonal."""

    @cached_property
    def effective_dimension(self) -> float:
        """`trace(Phi^T Phi (Phi^T Phi + n lambda I)^{-1})`, how many parameters are fitted.

        Found when it is first asked for, in as many operations as the factor took.
        """
        return len(self.lower) - self.n_examples * self.ridge * float(inverse_diagonal(self.lower).sum())

    @property
    def validation(self) -> float:
        """The generalised cross-validation's estimate of the mean squared error of new targets, mean over outputs, in units of
        each target's variance: `residual / (1 - effective_dimension / n)^2`.

        Golub, Heath & Wahba 1979, eq. 1.4.
        """
        free = max(1 - self.effective_dimension / self.n_examples, np.finfo(np.float64).eps)
        return self.residual / free**2

    def leverage(self, features: Float[ArrayLike, "m features"]) -> Float[np.ndarray, " m"]:
        """The weight of an example's own target in its prediction, if it is one of those learned from: `h` in (0, 1).

        Left out, it would be predicted as `(prediction - h target) / (1 - h)` (Hastie, Tibshirani & Friedman 2009, eq. 7.64).
        """
        columns = np.array(np.asarray(features, np.float64).T, order="F")
        whitened = scipy.linalg.blas.dtrsm(1.0, self.lower, columns, lower=1, overwrite_b=1)
        return np.einsum("ij,ij->j", whitened, whitened)

    def without_factor(self) -> "RidgeSolution":
        """All but the factor, which takes as much memory as what was learned from, and the leverage, which needs it."""
        small = replace(self, lower=np.empty((0, 0)))
        small.__dict__["effective_dimension"] = self.effective_dimension  # where the cached property looks
        return small


class RidgeRegression(abc.ABC):
    """What was learned from examples, to be solved at any regularisation."""

    n_features: int
    n_examples: int

    def solve(self, ridge: float) -> RidgeSolution:
        """Ridge regression of centred targets at one regularisation, `(Phi^T Phi + n ridge I)^{-1} Phi^T (y - mean(y))`.

        That is kernel ridge regression with the features' kernel, `(K + n ridge I)^{-1}`.

        **Raises:** `ValueError` without examples, for a ridge that is not positive, or so small that the matrix cannot be
        factorized: with the least that can.
        """
        check_positive("ridge", ridge)
        self._check_examples()
        solution = self._solution(ridge)
        if solution is None:
            least = self._trace() / self.n_examples * np.finfo(np.float64).eps * self.n_features**0.5
            raise ValueError(
                f"ridge {ridge:.3g} is below the rounding errors of the features' covariance; try {least:.1g} or more"
            )
        return solution

    def select(self, advance: Advance = ignore) -> RidgeSolution:
        """Ridge regression at the regularisation of the least generalised cross-validation error.

        From a thousandth of the mean eigenvalue, the regularisation goes down the valley of the error by factors of ten, then
        to the lowest point of a parabola through the last three, in logarithms. Each value takes `2/3 m^3` operations, with `m`
        features or rows, whichever the system is made of.

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

    @abc.abstractmethod
    def _solution(self, ridge: float) -> RidgeSolution | None:
        """The solution; `None` if rounding errors leave the matrix without a factor."""

    @abc.abstractmethod
    def _trace(self) -> float:
        """Of `Phi^T Phi`."""

    def _mean_eigenvalue(self) -> float:
        """Of the features' covariance `Phi^T Phi / n`, over as many as can be positive."""
        return (self._trace() / self.n_examples or 1.0) / min(self.n_features, self.n_examples)

    def _check_examples(self) -> None:
        if self.n_examples == 0:
            raise ValueError("there are no examples yet; give some to partial_fit first")


def relative_residual(
    squares: Float[np.ndarray, " outputs"], variation: Float[np.ndarray, " outputs"], n: int
) -> float:
    """The mean over outputs of the residuals' sums of squares, by those of the centred targets."""
    unit = np.where(variation > 0, variation, 1) / n
    # what float64 cannot tell from an exact fit is no evidence for a smaller ridge
    return max(float((squares.clip(0) / unit).mean()) / n, np.finfo(np.float64).eps)


def factor_of_shifted(matrix: Float[np.ndarray, "size size"], shift: float) -> Float[np.ndarray, "size size"] | None:
    """The Cholesky factor of `matrix + shift I`, a new array; `None` if there is none."""
    shifted = np.array(matrix, order="F")
    shifted.flat[:: len(shifted) + 1] += shift
    return cholesky_in_place(shifted)


def rows_and_targets(
    features: ArrayLike, targets: ArrayLike
) -> tuple[Float[np.ndarray, "n features"], Float[np.ndarray, "n outputs"]]:
    """Both in float64, targets as columns.

    **Raises:** `ValueError` unless there are rows of features and as many targets, or for entries that are not finite, with
    their place.
    """
    z, y = np.asarray(features, np.float64), np.asarray(targets, np.float64)
    columns = y[:, None] if y.ndim == 1 else y
    if z.ndim != 2 or not z.size:
        raise ValueError(
            f"features must have shape (n, features), with at least one row and column; received {z.shape}"
        )
    if columns.ndim != 2 or len(columns) != len(z):
        raise ValueError(f"targets must have shape ({len(z)},) or ({len(z)}, outputs); received {np.shape(targets)}")
    check_finite("features", z)
    check_finite("targets", y)
    return z, columns


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
