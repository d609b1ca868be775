"""Kernel ridge regression, its leave-one-out residuals and its generalized cross-validation, from one eigendecomposition."""

from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from nnlimits.predict.working_precision import as_scalar
from nnlimits.rkhs.evaluation import (
    Inputs,
    KernelFunction,
    check_examples,
    check_kernel,
    gram_matrix,
    semidefinite_eigendecomposition,
)
from nnlimits.rkhs.representer import Columns, Outputs, Representer
from nnlimits.rkhs.summary import summary
from nnlimits.validation import check_non_negative

_SINGULAR = 1e-13
"""Of the largest eigenvalue: what smaller ones are to rounding."""


class KernelRidge(NamedTuple):
    """Kernel ridge regression with one ridge; call it for predictions. Residuals have the shape of the targets."""

    predictor: Representer
    ridge: float
    degrees_of_freedom: float
    """`tr K (K + ridge I)^(-1)`."""
    residuals: Outputs
    """Targets minus predictions, at the training inputs."""
    loo: Outputs
    """Targets minus what all other examples predict, `residual_i / (1 - H_ii)` with `H = K (K + ridge I)^(-1)`."""
    gcv: float
    """Generalized cross-validation: the mean squared residual over `(1 - degrees_of_freedom / n)^2` (Golub, Heath & Wahba 1979).

    An estimate of the test error, with its noise (Wei, Hu & Steinhardt 2022); without ridge, the limit of small ones."""

    def __repr__(self) -> str:
        return summary(self)

    def __call__(self, x: ArrayLike) -> Outputs:
        """Predictions at `x`; errors as of a `Representer`."""
        return self.predictor(x)

    @property
    def loo_error(self) -> float:
        """The mean of the squared leave-one-out residuals, over examples and outputs."""
        return float(np.mean(np.square(self.loo)))


class RidgePath(eqx.Module):
    """Kernel ridge regression of one set of examples for any ridge; made by `ridge_path`."""

    kernel: KernelFunction
    points: Inputs
    targets: Columns
    eigenvalues: Float[np.ndarray, " n"]
    eigenvectors: Float[np.ndarray, "n n"]
    vector: bool = eqx.field(static=True)

    @property
    def smallest_ridge(self) -> float:
        """The least ridge that leaves digits: zero unless the Gram matrix is singular to rounding."""
        floor = max(_SINGULAR * float(self.eigenvalues[-1]), float(np.finfo(np.float64).tiny))
        return 0.0 if self.eigenvalues[0] > floor else 2 * floor

    def at(self, ridge: Any) -> KernelRidge:
        """Kernel ridge regression with this ridge.

        **Raises:** `TypeError` for what is no number; `ValueError` for a negative ridge, or one below `smallest_ridge`.
        """
        delta = as_scalar("ridge", ridge)
        check_non_negative("ridge", delta)
        if delta < self.smallest_ridge:
            raise ValueError(
                f"ridge is {delta:.3g}, but the Gram matrix is singular to rounding (eigenvalues {self.eigenvalues[0]:.2g} to "
                f"{self.eigenvalues[-1]:.2g}); give at least {self.smallest_ridge:.2g}, or remove duplicate rows"
            )
        shifted = np.maximum(self.eigenvalues, 0) + delta
        inverse_diagonal = np.square(self.eigenvectors) @ (1 / shifted)
        weights = self.eigenvectors @ ((self.eigenvectors.T @ self.targets) / shifted[:, None])
        residuals = delta * weights
        predictor = Representer(
            self.kernel, self.points, weights, self.targets - residuals, np.zeros(weights.shape[1]), self.vector
        )
        freedom = float((np.maximum(self.eigenvalues, 0) / shifted).sum())
        loo = weights / inverse_diagonal[:, None]
        # the ridge, a factor of all residuals and of all 1 - H_ii, is left out of both
        gcv = float(np.mean(np.square(weights)) / np.mean(1 / shifted) ** 2)
        return KernelRidge(predictor, delta, freedom, self._shaped(residuals), self._shaped(loo), gcv)

    def errors(self, ridges: Any) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, " r"]]:
        """The mean squared leave-one-out residual and the generalized cross-validation of each ridge; errors as of `at`."""
        found = [self.at(ridge) for ridge in self._grid(ridges)]
        return np.array([one.loo_error for one in found]), np.array([one.gcv for one in found])

    def least_loo(self, ridges: Any) -> KernelRidge:
        """The ridge, of several, with the least leave-one-out error; errors as of `at`."""
        grid = self._grid(ridges)
        return self.at(grid[int(np.argmin(self.errors(grid)[0]))])

    def least_gcv(self, ridges: Any) -> KernelRidge:
        """The ridge, of several, with the least generalized cross-validation; errors as of `at`."""
        grid = self._grid(ridges)
        return self.at(grid[int(np.argmin(self.errors(grid)[1]))])

    def _grid(self, ridges: Any) -> list[float]:
        grid = np.asarray(ridges, np.float64)
        if grid.ndim != 1 or not len(grid):
            raise ValueError(f"ridges must be one or more numbers; received shape {grid.shape}")
        return [float(ridge) for ridge in grid]

    def _shaped(self, outputs: Any) -> Any:
        return outputs[:, 0] if self.vector else outputs


def ridge_path(kernel: KernelFunction, x: ArrayLike, y: ArrayLike) -> RidgePath:
    """Eigendecompose the Gram matrix once, for kernel ridge regression with any ridge.

    **Arguments:** `kernel`; `x`, (n, ...); `y`, (n,) or (n, outputs).

    **Raises:** `TypeError` for what is no kernel; `ValueError` for bad data, or a kernel that is not symmetric or not
    positive semi-definite.
    """
    check_kernel(kernel)
    points, targets, vector = check_examples(x, y)
    values, vectors = semidefinite_eigendecomposition(gram_matrix(kernel, points))
    return RidgePath(kernel, points, targets, values, vectors, vector)


def kernel_ridge(kernel: KernelFunction, x: ArrayLike, y: ArrayLike, *, ridge: Any) -> KernelRidge:
    """Kernel ridge regression: the f of least `sum_i (f(x_i) - y_i)^2 + ridge |f|^2`, with weights `(K + ridge I)^(-1) y`.

    The ridge is what is added to the diagonal, as the `noise` of `nnlimits.posterior`, and `n` times the regularization of papers
    that average the loss. For several ridges, `ridge_path` eigendecomposes once.

    **Arguments:** `kernel`; `x`, (n, ...); `y`, (n,) or (n, outputs); `ridge`, zero or more.

    **Raises:** as `ridge_path` and `RidgePath.at`.
    """
    return ridge_path(kernel, x, y).at(ridge)
