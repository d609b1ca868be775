"""How far an approximate kernel is from the exact one, on a probe set."""

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import ArrayLike, Float

from nnlimits.validation import check_finite, check_positive

DEFAULT_RIDGE = 1e-3
"""As a fraction of the trace of the exact kernel's matrix."""


class KernelError(NamedTuple):
    """Three distances of an approximate kernel from the exact one, over all pairs of a probe set; 0 is no error in each."""

    frobenius: float
    """`|K' - K|_F / |K|_F`: the typical error of an entry, relative to the typical entry."""
    maximum: float
    """`max |K' - K| / mean(diag K)`: the largest error of an entry."""
    spectral: float
    """The least `epsilon` with `(1 - epsilon) (K + r I) <= K' + r I <= (1 + epsilon) (K + r I)`, `r = ridge trace(K)`.

    It bounds by what ridge regression with `K'` can be worse than with `K`: the risk at fixed inputs grows by a factor of at
    most `1 / (1 - epsilon)`, and a term `epsilon / (1 + epsilon)` times the noise's effective dimension over n (Avron et al.
    2017, Lemma 2)."""


def kernel_error(
    exact: Float[ArrayLike, "n n"], approximate: Float[ArrayLike, "n n"], *, ridge: float = DEFAULT_RIDGE
) -> KernelError:
    """Compare two kernel matrices of one probe set.

    **Arguments:** `exact` and `approximate`, symmetric matrices (n, n); `ridge`, the regularisation against which the
    spectral error is measured, as a fraction of the trace of `exact`: with kernel ridge regression of n examples,
    `(K + n lambda I)^{-1} y`, it is `lambda / mean(diag K)`.

    **Raises:** `ValueError` for matrices that are not square, of different shapes, not finite, or zero; for a ridge that is
    not positive.

    Avron, Kapralov, Musco, Musco, Velingker & Zandieh 2017, Definition 1.
    """
    check_positive("ridge", ridge)
    k, other = (np.asarray(matrix, np.float64) for matrix in (exact, approximate))
    if k.ndim != 2 or k.shape[0] != k.shape[1] or k.shape != other.shape or not len(k):
        raise ValueError(
            f"exact and approximate must be square matrices of one shape; received {k.shape} and {other.shape}"
        )
    check_finite("exact", k)
    check_finite("approximate", other)
    trace = float(np.trace(k))
    if not trace > 0:
        raise ValueError(
            f"exact must have a positive trace; received {trace}: the kernel is zero on all of the probe set"
        )
    difference = other - k
    return KernelError(
        float(np.linalg.norm(difference) / np.linalg.norm(k)),
        float(abs(difference).max() * len(k) / trace),
        _spectral(k, difference, ridge * trace),
    )


def _spectral(k: Any, difference: Any, shift: float) -> float:
    """The largest absolute eigenvalue of `(K + r I)^{-1/2} (K' - K) (K + r I)^{-1/2}`."""
    values, vectors = scipy.linalg.eigh((k + k.T) / 2)
    whitening = vectors / np.sqrt(values.clip(0) + shift)  # rounding may leave eigenvalues below zero
    whitened = whitening.T @ difference @ whitening
    return float(abs(np.linalg.eigvalsh((whitened + whitened.T) / 2)).max())
