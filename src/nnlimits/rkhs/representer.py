"""Functions of a reproducing kernel Hilbert space that are finite sums of kernels, with their norms (Aronszajn 1950)."""

from typing import Any

import equinox as eqx
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from nnlimits.compute.solve import factorize
from nnlimits.rkhs.evaluation import (
    Inputs,
    KernelFunction,
    check_examples,
    check_kernel,
    check_points,
    check_same_features,
    cross_gram,
    gram_matrix,
    kernel_rows,
)

Columns = Float[np.ndarray, "n o"]
Outputs = Float[np.ndarray, "m *o"]


class Representer(eqx.Module):
    """`f(x) = sum_i weights[i] k(x, points[i]) + intercept`: a function of the space of the kernel `k`, and a constant.

    Call it for values at new inputs. With weights of shape `(n, o)` there are `o` functions; with `(n,)`, one, and its results
    have no axis for outputs. All values are float64 in NumPy arrays.
    """

    kernel: KernelFunction
    points: Inputs
    weights: Columns
    values: Columns
    """`sum_j weights[j] k(points[i], points[j])`: of the functions at their own points, without the intercept."""
    intercept: Float[np.ndarray, " o"]
    vector: bool = eqx.field(static=True)

    def __call__(self, x: ArrayLike) -> Outputs:
        """Values at `x` of shape (m, ...), computed a few rows at a time.

        **Raises:** `ValueError` or `TypeError` for inputs unlike the points.
        """
        inputs = check_points("x", x)
        check_same_features(inputs, self.points)
        found = np.empty((len(inputs), self.weights.shape[1]))
        for rows, block in kernel_rows(self.kernel, inputs, self.points):
            found[rows] = block @ self.weights + self.intercept
        return self._shaped(found)

    @property
    def squared_norm(self) -> Any:
        """`alpha^T K alpha`, of each output: the squared norm in the space, in which the intercept has no part."""
        return self._shaped(np.maximum((self.weights * self.values).sum(0), 0.0))

    @property
    def norm(self) -> Any:
        """The norm in the kernel's Hilbert space, of each output.

        It bounds values, `|f(x)| <= norm * sqrt(k(x, x))`, and differences, `|f(x) - f(x')| <= norm * |k(x, .) - k(x', .)|`.
        """
        return np.sqrt(self.squared_norm)

    def inner(self, other: Any) -> Any:
        """`<f, g> = alpha^T k(X, X') beta`, output by output, for two functions of one kernel's space.

        **Raises:** `TypeError` for what is no `Representer`; `ValueError` for other kernels, features or numbers of outputs.
        """
        self._check_like(other)
        total = np.zeros(self.weights.shape[1])
        for rows, block in kernel_rows(self.kernel, self.points, other.points):
            total += (self.weights[rows] * (block @ other.weights)).sum(0)
        return self._shaped(total)

    def distance(self, other: Any) -> Any:
        """The norm of the difference of two functions of one kernel's space, without intercepts; errors as of `inner`."""
        self._check_like(other)
        return np.sqrt(np.maximum(self.squared_norm + other.squared_norm - 2 * self.inner(other), 0.0))

    def __sub__(self, other: Any) -> "Representer":
        """The difference, as a function with the points of both; errors as of `inner`."""
        self._check_like(other)
        cross = cross_gram(self.kernel, self.points, other.points)
        above = self.values - cross @ other.weights
        below = cross.T @ self.weights - other.values
        return Representer(
            self.kernel,
            np.concatenate([self.points, other.points]),
            np.concatenate([self.weights, -other.weights]),
            np.concatenate([above, below]),
            self.intercept - other.intercept,
            self.vector,
        )

    def _check_like(self, other: Any) -> None:
        if not isinstance(other, Representer):
            raise TypeError(f"other must be a Representer; received {type(other).__name__}")
        if other.kernel != self.kernel:
            raise ValueError("both functions must have one kernel; their spaces, and so their inner products, differ")
        check_same_features(other.points, self.points, "the points of other", "those of this function")
        if other.weights.shape[1] != self.weights.shape[1]:
            raise ValueError(
                f"both functions must have as many outputs; received {self.weights.shape[1]} and {other.weights.shape[1]}"
            )

    def _shaped(self, outputs: Any) -> Any:
        return outputs[..., 0] if self.vector else outputs


def representer(kernel: KernelFunction, x: ArrayLike, weights: ArrayLike) -> Representer:
    """`sum_i weights[i] k(., x[i])` with its norm.

    **Arguments:** `kernel`, a function of two batches; `x`, points (n, ...); `weights`, (n,) or (n, outputs).

    **Raises:** `TypeError` for what is no kernel or no numbers; `ValueError` for NaN, other lengths, or a kernel that is not
    symmetric.
    """
    check_kernel(kernel)
    points, columns, vector = check_examples(x, weights, ("x", "weights"))
    values = gram_matrix(kernel, points) @ columns
    return Representer(kernel, points, columns, values, np.zeros(columns.shape[1]), vector)


def minimum_norm_interpolant(kernel: KernelFunction, x: ArrayLike, y: ArrayLike) -> Representer:
    """The function of least norm with `f(x[i]) = y[i]`: weights `K^(-1) y`, the limit of kernel ridge regression without ridge.

    A Gram matrix that is singular to rounding is solved with the least jitter that works, announced by a warning.

    **Arguments:** `kernel`; `x`, (n, ...), no two alike; `y`, (n,) or (n, outputs).

    **Raises:** `TypeError` for what is no kernel; `ValueError` for bad data; `numpy.linalg.LinAlgError` (a `ValueError`) if no
    small jitter lets the Gram matrix be solved with.
    """
    check_kernel(kernel)
    points, targets, vector = check_examples(x, y)
    matrix = gram_matrix(kernel, points)
    weights = np.asarray(factorize(matrix, targets, remedy="ridge").solve(targets))
    return Representer(kernel, points, weights, matrix @ weights, np.zeros(targets.shape[1]), vector)
