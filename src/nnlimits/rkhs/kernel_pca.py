"""Kernel principal component analysis (Schoelkopf, Smola & Mueller 1998)."""

import equinox as eqx
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from nnlimits.nn.fields import as_integer
from nnlimits.rkhs.evaluation import (
    Inputs,
    KernelFunction,
    check_kernel,
    check_points,
    check_same_features,
    gram_matrix,
    kernel_rows,
    semidefinite_eigendecomposition,
)

_SINGULAR = 1e-12


class KernelPCA(eqx.Module):
    """The principal components of a sample in a kernel's Hilbert space; made by `kernel_pca`."""

    kernel: KernelFunction
    points: Inputs
    variances: Float[np.ndarray, " c"]
    """Of the sample along each component, descending; the sum over all components is the mean squared distance from the mean."""
    weights: Float[np.ndarray, "n c"]
    """Each component as a sum of centred kernels, of unit norm."""
    means: Float[np.ndarray, " n"]
    total_variance: float

    @property
    def explained(self) -> Float[np.ndarray, " c"]:
        """The share of the variance that lies along each component."""
        return self.variances / self.total_variance

    def __call__(self, x: ArrayLike) -> Float[np.ndarray, "m c"]:
        """Coordinates of `x` along the components, from the sample's mean.

        **Raises:** `ValueError` or `TypeError` for inputs unlike the sample.
        """
        inputs = check_points("x", x)
        check_same_features(inputs, self.points)
        found = np.empty((len(inputs), len(self.variances)))
        for rows, block in kernel_rows(self.kernel, inputs, self.points):
            # the weights sum to zero, so means over rows drop out
            found[rows] = (block - self.means) @ self.weights
        return found


def kernel_pca(kernel: KernelFunction, x: ArrayLike, components: int = 2) -> KernelPCA:
    """The directions of largest variance of a sample in the kernel's Hilbert space.

    **Arguments:** `kernel`; `x`, (n, ...), two examples or more; `components`, how many, at most as many as there are
    directions in which the sample varies, `n - 1` or fewer. Signs are such that the largest weight is positive.

    **Raises:** `TypeError` for what is no kernel; `ValueError` for bad inputs, or more components than there are.
    """
    check_kernel(kernel)
    points, wanted = check_points("x", x), as_integer("components", 1, components)
    n = len(points)
    matrix = gram_matrix(kernel, points)
    means = matrix.mean(0)
    centred = matrix - means - means[:, None] + means.mean()
    values, vectors = semidefinite_eigendecomposition(centred, float(np.linalg.norm(matrix)))
    values, vectors = values[::-1], vectors[:, ::-1]
    there = int((values > _SINGULAR * max(values[0], np.finfo(float).tiny)).sum()) if n > 1 else 0
    if wanted > there:
        raise ValueError(
            f"components is {wanted}, but the sample of {n} varies in {there} directions; ask for at most that"
        )
    chosen = vectors[:, :wanted]
    chosen = chosen * np.sign(chosen[np.abs(chosen).argmax(0), np.arange(wanted)])
    weights = chosen / np.sqrt(values[:wanted])
    weights = weights - weights.mean(0)
    return KernelPCA(kernel, points, values[:wanted] / n, weights, means, float(np.trace(centred)) / n)
