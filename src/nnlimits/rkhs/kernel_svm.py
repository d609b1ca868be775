"""Support vector machines with the kernels of networks: scikit-learn's solver on our Gram matrices."""

from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Shaped

from nnlimits.rkhs.evaluation import Inputs, KernelFunction, check_examples, check_kernel, check_points, gram_matrix
from nnlimits.rkhs.representer import Representer
from nnlimits.validation import check_non_negative, check_positive


class SupportVectorClassifier(NamedTuple):
    """A support vector machine for classes; call it for the classes of new inputs."""

    decision: Representer
    """With two classes, one function, positive for the second; with more, one for each, positive for it against the rest."""
    classes: Shaped[np.ndarray, " c"]
    penalty: float
    duality_gap: float
    """How far the solution can be from the best, relative to its objective; the largest of all functions."""

    def __call__(self, x: ArrayLike) -> Shaped[np.ndarray, " m"]:
        """The classes of `x`; errors as of a `Representer`."""
        values = self.decision(x)
        chosen = (values > 0).astype(int) if values.ndim == 1 else values.argmax(1)
        return self.classes[chosen]

    @property
    def margin(self) -> Any:
        """`1 / norm` of each function: the distance of the margin from the decision boundary, in the kernel's Hilbert space."""
        return 1 / self.decision.norm

    @property
    def support_vectors(self) -> Inputs:
        """The examples that the functions are made of."""
        return self.decision.points


def kernel_svm(
    kernel: KernelFunction, x: ArrayLike, labels: Any, *, penalty: int | float = 1.0
) -> SupportVectorClassifier:
    """The support vector machine of a kernel: the f and b of least `|f|^2 / 2 + penalty sum max(0, 1 - s_i (f(x_i) + b))`.

    Solved in float64 by scikit-learn's `SVC` on the Gram matrix; more than two classes one against the rest.

    **Arguments:** `kernel`; `x`, (n, ...); `labels`, (n,), two classes or more, of any kind; `penalty`, scikit-learn's `C`.

    **Raises:** `TypeError` for what is no kernel; `ValueError` for bad inputs, labels of another length or of one class only, or
    a penalty that is not positive.

    Cortes & Vapnik 1995; Schoelkopf & Smola 2002, chapter 7.
    """
    from sklearn.svm import SVC

    check_kernel(kernel)
    check_positive("penalty", penalty)
    points = check_points("x", x)
    known, codes = _classes(labels, len(points))
    matrix = gram_matrix(kernel, points)
    signs = np.where(codes[:, None] == (np.arange(len(known)) if len(known) > 2 else np.array([1])), 1.0, -1.0)
    weights, intercepts, gaps = np.zeros(signs.shape), np.zeros(signs.shape[1]), []
    for output, sign in enumerate(signs.T):
        machine = SVC(C=penalty, kernel="precomputed", tol=1e-6).fit(matrix, sign)
        weights[machine.support_, output] = machine.dual_coef_[0]
        intercepts[output] = machine.intercept_[0]
        gaps.append(_duality_gap(matrix, sign, weights[:, output], intercepts[output], penalty))
    decision = _sparse(kernel, points, matrix, weights, intercepts, len(known) == 2)
    return SupportVectorClassifier(decision, known, float(penalty), max(gaps))


def kernel_svr(
    kernel: KernelFunction, x: ArrayLike, y: ArrayLike, *, penalty: int | float = 1.0, epsilon: int | float = 0.1
) -> Representer:
    """Support vector regression: the f and b of least `|f|^2 / 2 + penalty sum max(0, |y_i - f(x_i) - b| - epsilon)`.

    Solved in float64 by scikit-learn's `SVR` on the Gram matrix. **Arguments:** `kernel`; `x`, (n, ...); `y`, (n,) or (n,
    outputs); `penalty`, scikit-learn's `C`; `epsilon`, the error that costs nothing.

    **Returns:** a `Representer` with the support vectors as points. **Raises:** as `kernel_svm`; `ValueError` for a negative
    epsilon, or one that no example exceeds.
    """
    from sklearn.svm import SVR

    check_kernel(kernel)
    check_positive("penalty", penalty)
    check_non_negative("epsilon", epsilon)
    points, targets, vector = check_examples(x, y)
    matrix = gram_matrix(kernel, points)
    weights, intercepts = np.zeros(targets.shape), np.zeros(targets.shape[1])
    for output, column in enumerate(targets.T):
        machine = SVR(C=penalty, epsilon=epsilon, kernel="precomputed", tol=1e-6).fit(matrix, column)
        weights[machine.support_, output] = machine.dual_coef_[0]
        intercepts[output] = machine.intercept_[0]
    if not weights.any():
        raise ValueError(
            f"epsilon is {epsilon:g}, and all targets are that close to one constant; give less than "
            f"{float(np.ptp(targets, axis=0).max()) / 2:.3g}"
        )
    return _sparse(kernel, points, matrix, weights, intercepts, vector)


def _sparse(
    kernel: KernelFunction,
    points: Inputs,
    matrix: np.ndarray,
    weights: Float[np.ndarray, "n o"],
    intercepts: Float[np.ndarray, " o"],
    vector: bool,
) -> Representer:
    """The functions with their support vectors alone."""
    kept = np.flatnonzero(weights.any(1))
    values = matrix[np.ix_(kept, kept)] @ weights[kept]
    return Representer(kernel, points[kept], weights[kept], values, intercepts, vector)


def _duality_gap(matrix: np.ndarray, sign: np.ndarray, weights: np.ndarray, intercept: float, penalty: float) -> float:
    """The primal less the dual objective, over the primal one: zero at the solution, positive elsewhere."""
    values = matrix @ weights
    half = float(weights @ values) / 2
    if half < 0:
        raise ValueError(f"the solution has the squared norm {2 * half:.3g}; kernel is not positive semi-definite on x")
    primal = half + penalty * float(np.maximum(0, 1 - sign * (values + intercept)).sum())
    dual = float(np.abs(weights).sum()) - half
    return (primal - dual) / max(primal, np.finfo(float).tiny)


def _classes(labels: Any, n: int) -> tuple[Shaped[np.ndarray, " c"], Shaped[np.ndarray, " n"]]:
    array = np.asarray(labels)
    if array.shape != (n,):
        raise ValueError(f"labels must have one entry for each of the {n} examples; received shape {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"labels contains NaN or infinity at index {int(np.argmin(np.isfinite(array)))}")
    try:
        known, codes = np.unique(array, return_inverse=True)
    except TypeError:
        raise TypeError("labels must be of one kind, such as all numbers or all strings, without None") from None
    if len(known) < 2:
        raise ValueError(f"labels must have two classes or more; received {known.tolist()} only")
    return known, codes
