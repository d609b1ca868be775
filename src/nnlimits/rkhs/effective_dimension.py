"""Effective dimensions: how many directions a kernel has at a scale of regularization, and which examples make them."""

from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from nnlimits.rkhs.evaluation import (
    KernelFunction,
    check_kernel,
    check_points,
    gram_matrix,
    semidefinite_eigendecomposition,
)
from nnlimits.rkhs.summary import summary
from nnlimits.validation import check_finite, check_positive


class EffectiveDimension(NamedTuple):
    """Of a sample at one regularization."""

    dimension: float
    """`tr K (K + n lambda)^(-1)`: the sum of the leverages."""
    leverages: Float[np.ndarray, " n"]
    """The diagonal of `K (K + n lambda)^(-1)`: how much each example sets its own prediction."""

    def __repr__(self) -> str:
        return summary(self)

    @property
    def maximal(self) -> float:
        """`n` times the largest leverage, at least the dimension: how many features or landmarks drawn uniformly suffice, up to
        a logarithm (Bach 2013; Rudi, Camoriano & Rosasco 2015)."""
        return len(self.leverages) * float(self.leverages.max())


def effective_dimension(kernel: KernelFunction, x: ArrayLike, regularization: int | float) -> EffectiveDimension:
    """The degrees of freedom of kernel ridge regression on a sample, `tr K (K + n lambda)^(-1)`, and the leverages.

    **Arguments:** `kernel`; `x`, (n, ...); `regularization`, lambda, positive: `ridge / n` of `kernel_ridge`.

    **Raises:** `TypeError` for what is no kernel; `ValueError` for bad inputs or a regularization that is not positive.

    Zhang 2005; Caponnetto & De Vito 2007. That of a distribution is `spectral_effective_dimension` of its eigenvalues.
    """
    check_kernel(kernel)
    check_positive("regularization", regularization)
    points = check_points("x", x)
    values, vectors = semidefinite_eigendecomposition(gram_matrix(kernel, points))
    values = np.maximum(values, 0)
    shares = values / (values + len(points) * regularization)
    return EffectiveDimension(float(shares.sum()), np.square(vectors) @ shares)


def spectral_effective_dimension(
    eigenvalues: Any, regularization: Any, *, multiplicities: Any = None
) -> Float[np.ndarray, " r"]:
    """`sum mu / (mu + lambda)` for each of several lambdas.

    **Arguments:** `eigenvalues`, (levels,); `regularization`, one or more positive numbers; `multiplicities`, one if absent.

    **Raises:** `ValueError` for negative eigenvalues, regularizations that are not positive, or lengths that differ.
    """
    values = np.atleast_1d(np.asarray(eigenvalues, np.float64))
    check_finite("eigenvalues", values)
    numbers = np.ones(len(values)) if multiplicities is None else np.asarray(multiplicities, np.float64)
    scales = np.atleast_1d(np.asarray(regularization, np.float64))
    if (values < 0).any():
        raise ValueError(f"eigenvalues must not be negative; the least is {values.min():.3g}")
    if not (np.isfinite(scales) & (scales > 0)).all():
        raise ValueError(f"regularization must be finite and positive; received {scales.tolist()}")
    if numbers.shape != values.shape:
        raise ValueError(f"multiplicities must have shape {values.shape}, as the eigenvalues; received {numbers.shape}")
    return (values / (values + scales[:, None])) @ numbers
