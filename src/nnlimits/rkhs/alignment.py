"""How alike two kernels are on a sample: centred alignment."""

from typing import Any

import numpy as np
from jaxtyping import Float

from nnlimits.validation import check_finite

Gram = Float[np.ndarray, "n n"]


def centred_alignment(first: Any, second: Any) -> float:
    """The cosine of two Gram matrices after centring, in [0, 1]: 1 if they are equal up to scale and offset of the features.

    `<H K H, H L H> / (|H K H| |H L H|)` with `H = I - 1/n` (Cortes, Mohri & Rostamizadeh 2012); of linear
    kernels of two representations it is their CKA (Kornblith et al. 2019). Its value on a sample exceeds that of the
    distribution by the order of 1/n: see `unbiased_centred_alignment`.

    **Arguments:** `first`, `second`: Gram matrices (n, n) of one sample.

    **Raises:** `ValueError` for matrices that are not square, symmetric and of one size, NaN, or constant features.
    """
    a, b = _pair(first, second)
    return _cosine(_inner(_centred(a), _centred(b)), _inner(_centred(a), _centred(a)), _inner(_centred(b), _centred(b)))


def unbiased_centred_alignment(first: Any, second: Any) -> float:
    """As `centred_alignment`, from unbiased estimates of the three products (Song et al. 2012; Nguyen et al. 2021).

    For independent features it is zero on average, and may be negative. **Raises:** as `centred_alignment`; `ValueError` for
    fewer than four examples.
    """
    a, b = _pair(first, second)
    if len(a) < 4:
        raise ValueError(f"an unbiased alignment needs four examples or more; received {len(a)}")
    return _cosine(_unbiased_product(a, b), _unbiased_product(a, a), _unbiased_product(b, b))


def target_alignment(matrix: Any, targets: Any) -> float:
    """The centred alignment of a Gram matrix with that of the targets, `y y^T`: how well the kernel is made for them.

    **Arguments:** `matrix`, (n, n); `targets`, (n,) or (n, outputs). **Raises:** as `centred_alignment`; `ValueError` for
    targets of another length.
    """
    y = np.asarray(targets, np.float64)
    y = y[:, None] if y.ndim == 1 else y
    if y.ndim != 2 or len(y) != len(np.asarray(matrix)):
        raise ValueError(f"targets must be (n,) or (n, outputs) for a matrix of n rows; received {np.shape(targets)}")
    return centred_alignment(matrix, y @ y.T)


def _pair(first: Any, second: Any) -> tuple[Gram, Gram]:
    found = []
    for name, value in (("first", first), ("second", second)):
        matrix = np.asarray(value, np.float64)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
            raise ValueError(
                f"{name} must be the Gram matrix of a sample, (n, n) with n of at least 2; received {matrix.shape}"
            )
        check_finite(name, matrix)
        if np.abs(matrix - matrix.T).max() > 1e-6 * np.abs(matrix).max():
            raise ValueError(f"{name} is not symmetric; a Gram matrix k(x, x) of one sample is")
        if np.linalg.norm(_centred(matrix)) <= 1e-12 * np.linalg.norm(matrix):
            raise ValueError(f"{name} is constant: its features do not vary over the sample, and have no alignment")
        found.append(matrix)
    if len(found[0]) != len(found[1]):
        raise ValueError(f"first and second must be of one sample; received {len(found[0])} and {len(found[1])} rows")
    return found[0], found[1]


def _centred(matrix: Gram) -> Gram:
    means = matrix.mean(0)
    return matrix - means - means[:, None] + means.mean()


def _inner(a: Gram, b: Gram) -> float:
    return float(np.vdot(a, b))


def _cosine(product: float, first: float, second: float) -> float:
    if not (first > 0 and second > 0):
        raise ValueError(
            "a Gram matrix shows no variation beyond that of independent features, so that its alignment is unknown"
        )
    return product / np.sqrt(first * second)


def _unbiased_product(a: Gram, b: Gram) -> float:
    """Song et al. 2012: the product of matrices centred without their diagonals (Szekely & Rizzo 2014)."""
    return _inner(_centred_without_diagonal(a), _centred_without_diagonal(b)) / (len(a) * (len(a) - 3))


def _centred_without_diagonal(matrix: Gram) -> Gram:
    n = len(matrix)
    matrix = _centred(matrix)  # without effect on the result, but for digits
    rows = matrix.sum(0) - np.diagonal(matrix)
    found = matrix - (rows + rows[:, None]) / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(found, 0.0)
    return found
