"""Empirical Mercer spectra: eigenvalues and eigenfunctions of a kernel on the distribution that a sample is from."""

from typing import Any

import equinox as eqx
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from nnlimits.compute.spectrum import eigendecomposition
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore
from nnlimits.rkhs.evaluation import (
    Inputs,
    KernelFunction,
    check_examples,
    check_kernel,
    check_points,
    check_same_features,
    gram_matrix,
    kernel_diagonal,
    kernel_rows,
    seeded,
    semidefinite_eigendecomposition,
)
from nnlimits.validation import check_positive

_SINGULAR = 1e-13
_OVERSAMPLING = 8


class EmpiricalSpectrum(eqx.Module):
    """The largest eigenvalues of a kernel on a sample, of `f -> mean_j k(., x_j) f(x_j)`, and their eigenfunctions."""

    kernel: KernelFunction
    points: Inputs
    eigenvalues: Float[np.ndarray, " r"]
    """Those of the Gram matrix over n, descending."""
    eigenvectors: Float[np.ndarray, "n r"]
    """Values of the eigenfunctions at the points, of unit mean square."""
    residuals: Float[np.ndarray, " r"]
    """Bounds of the absolute errors of the eigenvalues, as those of the sample: `|K v - mu v|`, or what a method leaves out."""
    trace: float
    """The mean of `k(x, x)`: the sum of all n eigenvalues."""

    @property
    def tail(self) -> float:
        """The sum of the eigenvalues that are left out."""
        return max(0.0, self.trace - float(self.eigenvalues.sum()))

    def eigenfunctions(self, x: ArrayLike) -> Float[np.ndarray, "m r"]:
        """The eigenfunctions at new inputs: `mean_j k(x, x_j) v_j / mu`, the extension of Nystrom.

        **Raises:** `ValueError` for inputs unlike the points, or if an eigenvalue is zero to rounding, which extends nothing.
        """
        inputs = check_points("x", x)
        check_same_features(inputs, self.points)
        sound = self.eigenvalues > _SINGULAR * self.eigenvalues[0]
        if not sound.all():
            raise ValueError(
                f"only the first {int(sound.argmin())} of {len(sound)} eigenvalues are above rounding, and only those of "
                "eigenfunctions have values at new inputs: take .leading(count) of them"
            )
        found = np.empty((len(inputs), len(self.eigenvalues)))
        for rows, block in kernel_rows(self.kernel, inputs, self.points):
            found[rows] = block @ self.eigenvectors / (len(self.points) * self.eigenvalues)
        return found

    def leading(self, count: int) -> "EmpiricalSpectrum":
        """The largest `count` eigenvalues alone. **Raises:** `ValueError` if there are fewer."""
        wanted = as_integer("count", 1, count)
        if wanted > len(self.eigenvalues):
            raise ValueError(f"count is {wanted}, but there are {len(self.eigenvalues)} eigenvalues")
        return EmpiricalSpectrum(
            self.kernel,
            self.points,
            self.eigenvalues[:wanted],
            self.eigenvectors[:, :wanted],
            self.residuals[:wanted],
            self.trace,
        )

    def coefficients(self, y: ArrayLike) -> Float[np.ndarray, "r *o"]:
        """Those of targets at the points, `mean_j v_j y_j`: their squares sum to at most the mean square of the targets.

        **Raises:** `ValueError` for targets of another length, or NaN.
        """
        _, targets, vector = check_examples(self.points, y)
        found = self.eigenvectors.T @ targets / len(self.points)
        return found[:, 0] if vector else found


def empirical_spectrum(kernel: KernelFunction, x: ArrayLike) -> EmpiricalSpectrum:
    """All n eigenvalues on a sample, by the eigendecomposition of its Gram matrix.

    Those of the distribution are near them where they are large: the i-th is off by a relative `sqrt(i / n)` or so, and the small
    ones are too small (Braun 2006). **Arguments:** `kernel`; `x`, (n, ...), on which n^2 numbers must fit into memory.

    **Raises:** `TypeError` for what is no kernel; `ValueError` for bad inputs, or a kernel that is not symmetric.
    """
    check_kernel(kernel)
    points = check_points("x", x)
    n = len(points)
    matrix = gram_matrix(kernel, points)
    values, vectors = semidefinite_eigendecomposition(matrix)
    rounding = float(np.finfo(np.float64).eps) * max(abs(values[0]), abs(values[-1]))
    return EmpiricalSpectrum(
        kernel,
        points,
        np.maximum(values[::-1], 0) / n,
        vectors[:, ::-1] * np.sqrt(n),
        np.full(n, rounding),
        float(np.trace(matrix)) / n,
    )


def leading_spectrum(
    kernel: KernelFunction,
    x: ArrayLike,
    count: int,
    *,
    tolerance: int | float = 1e-8,
    seed: int = 0,
    advance: Advance = ignore,
) -> EmpiricalSpectrum:
    """The largest eigenvalues on a sample whose Gram matrix does not fit into memory, by Lanczos' method in blocks.

    Each step evaluates the kernel once more, some rows at a time, and applies it to a block of `count + 8` vectors, so that
    eigenvalues that are repeated, as those of zonal kernels are, are all found (Golub & Underwood 1977; Musco & Musco 2015).
    Memory: some times `n (count + 8)` numbers.

    **Arguments:** `kernel`; `x`, (n, ...); `count`, how many eigenvalues; `tolerance`, of the residuals, by the largest
    eigenvalue: eigenvalues are far closer; `seed`, of the first block; `advance`, told of each step.

    **Returns:** an `EmpiricalSpectrum`, with the residuals that were reached.

    **Raises:** `TypeError` for what is no kernel; `ValueError` for bad inputs, a tolerance that is not positive, or a
    count above n.
    """
    check_kernel(kernel)
    check_positive("tolerance", tolerance)
    points, wanted = check_points("x", x), as_integer("count", 1, count)
    n = len(points)
    if wanted > n:
        raise ValueError(f"count is {wanted}, but a sample of {n} has {n} eigenvalues")
    width = min(n, wanted + _OVERSAMPLING)
    block = np.linalg.qr(seeded(seed).standard_normal((n, width)))[0]
    basis, images = np.empty((n, 0)), np.empty((n, 0))
    while True:
        basis = np.concatenate([basis, block], axis=1)
        images = np.concatenate([images, _applied(kernel, points, block)], axis=1)
        projected = basis.T @ images
        values, rotations = eigendecomposition((projected + projected.T) / 2)
        values, rotations = values[::-1][:wanted], rotations[:, ::-1][:, :wanted]
        vectors = basis @ rotations
        residuals = np.linalg.norm(images @ rotations - vectors * values, axis=0)
        if values[0] <= 0:
            raise ValueError(
                f"the largest eigenvalue of the Gram matrix is {values[0] / n:.3g}; kernel must be positive semi-definite, "
                "and not zero on all of x"
            )
        advance(f"residual {residuals.max() / values[0]:.1e}")
        block = _orthogonal(images[:, -block.shape[1] :], basis)
        if (residuals <= tolerance * values[0]).all() or not block.shape[1]:
            trace = float(kernel_diagonal(kernel, points).mean())
            return EmpiricalSpectrum(
                kernel, points, np.maximum(values, 0) / n, vectors * np.sqrt(n), residuals / n, trace
            )


def nystrom_spectrum(kernel: KernelFunction, x: ArrayLike, landmarks: int, *, seed: int = 0) -> EmpiricalSpectrum:
    """The eigenvalues of the Gram matrix's Nystrom approximation `K(x, z) K(z, z)^(-1) K(z, x)`, in time `n landmarks^2`.

    Each is at most the sample's own, and short of it by at most the trace that the approximation lacks, which is reported as
    `residuals` (Williams & Seeger 2001; Drineas & Mahoney 2005).

    **Arguments:** `kernel`; `x`, (n, ...); `landmarks`, how many of the examples are drawn for z; `seed`, of the draw.

    **Returns:** an `EmpiricalSpectrum` of at most so many eigenvalues; fewer where landmarks are alike to rounding.

    **Raises:** `TypeError` for what is no kernel; `ValueError` for bad inputs, or more landmarks than examples.
    """
    check_kernel(kernel)
    points, wanted = check_points("x", x), as_integer("landmarks", 1, landmarks)
    n = len(points)
    if wanted > n:
        raise ValueError(f"landmarks is {wanted}, but there are {n} examples")
    chosen = points[seeded(seed).choice(n, wanted, replace=False)]
    values, vectors = semidefinite_eigendecomposition(gram_matrix(kernel, chosen))
    kept = values > 1e-12 * values[-1]
    whitening = vectors[:, kept] / np.sqrt(values[kept])
    features = np.empty((n, int(kept.sum())))
    for rows, block in kernel_rows(kernel, points, chosen):
        features[rows] = block @ whitening
    left, singular, _ = np.linalg.svd(features, full_matrices=False)
    trace = float(kernel_diagonal(kernel, points).mean())
    lacking = max(0.0, trace - float((singular**2).sum()) / n)
    return EmpiricalSpectrum(kernel, points, singular**2 / n, left * np.sqrt(n), np.full(len(singular), lacking), trace)


def _applied(kernel: KernelFunction, points: Inputs, block: Float[np.ndarray, "n w"]) -> Float[np.ndarray, "n w"]:
    return np.concatenate([rows @ block for _, rows in kernel_rows(kernel, points, points)])


def _orthogonal(block: Any, basis: Any) -> Any:
    """An orthonormal basis of what a block adds to a basis; vectors that add nothing beyond rounding are left out."""
    scale = np.linalg.norm(block, axis=0).max()
    for _ in range(2):  # once is not enough in floating point
        block = block - basis @ (basis.T @ block)
    room = basis.shape[0] - basis.shape[1]
    left, singular, _ = np.linalg.svd(block, full_matrices=False)
    left = left[:, singular > 1e-13 * scale][:, :room]
    left = left - basis @ (basis.T @ left)
    return np.linalg.qr(left)[0] if left.shape[1] else left
