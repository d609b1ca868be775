"""What a covariance of the targets is judged by: the evidence, or the prediction of each example from all others.

A criterion maps a covariance `(n, n)`, noise included, and targets `(n, o)` to its value, that of one output, the mean over
outputs, and the derivative of that with respect to the covariance, a symmetric matrix.
"""

import math

import numpy as np
import scipy.linalg
from jaxtyping import Float

Square = Float[np.ndarray, "n n"]
Outputs = Float[np.ndarray, "n o"]


def marginal_likelihood(covariance: Square, y: Outputs) -> tuple[float, Square]:
    """`log p(y)` (Rasmussen & Williams 2006, equations 2.30 and 5.9).

    **Raises:** `numpy.linalg.LinAlgError` if the covariance is not positive definite.
    """
    inverse, log_determinant = _inverse(covariance)
    weights = inverse @ y
    n, outputs = y.shape
    value = -((y * weights).sum() / outputs + log_determinant + n * math.log(2 * math.pi)) / 2
    return float(value), (weights @ weights.T / outputs - inverse) / 2


def leave_one_out(covariance: Square, y: Outputs) -> tuple[float, Square]:
    """The sum of the log densities of all examples, each given all others (Rasmussen & Williams 2006, section 5.4.2).

    **Raises:** `numpy.linalg.LinAlgError` if the covariance is not positive definite.
    """
    inverse, _ = _inverse(covariance)
    weights = inverse @ y
    precision = np.diagonal(inverse)
    quadratic = (weights**2).mean(1) / precision
    value = (np.log(precision) - quadratic - math.log(2 * math.pi)).sum() / 2
    by_precision = (1 + quadratic) / precision / 2
    by_weights = inverse @ (weights / precision[:, None]) @ weights.T / y.shape[1]
    return float(value), (by_weights + by_weights.T) / 2 - (inverse * by_precision) @ inverse


CRITERIA = {"marginal_likelihood": marginal_likelihood, "leave_one_out": leave_one_out}


def _inverse(covariance: Square) -> tuple[Square, float]:
    """The inverse and the logarithm of the determinant."""
    lower, failed = scipy.linalg.lapack.dpotrf(covariance.T, lower=1, clean=1)
    diagonal = np.diagonal(lower)
    if failed or not np.isfinite(diagonal).all():
        raise np.linalg.LinAlgError("the covariance is not positive definite")
    half, _ = scipy.linalg.lapack.dpotri(lower, lower=1)
    return np.tril(half) + np.tril(half, -1).T, 2 * float(np.log(diagonal).sum())
