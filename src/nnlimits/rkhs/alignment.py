"""How alike two kernels are on a sample: centred alignment."""

from typing import Any

import numpy as np
from jaxtyping import Float

from nnlimits.validation import check_finite

Gram = Float[np.ndarray, "n n"]


def centred_alignment(first: Any, second: Any) -> float:
    """The cosine of two Gram matrices after centring, in [0, 1]: 1 if they are equal up to scale and offset of the features.

    `<H K H, H L H> / (|H K H| |H L H|)` with `H = I - 1/n` (Cortes, Mohri & Rostamizadeh 2012, definition 4); of linear kernels of
    two representations it is their CKA (Kornblith et al. 2019). Its value on a sample exceeds that of the distribution by
    the order of 1/n: see `unbiased_centred_alignment`.

    **Arguments:** `first`, `second`: Gram matrices (n, n) of one sample.

    **Raises:** `ValueError` for matrices that are not square, symmetric and of one size, NaN, or constant features.
    """
    a, b = _pair(first, second)
    return _cosine(_inner(_centred(a), _centred(b)), _inner(_centred(a), _centred(a)), _inner(_centred(b), _centred(b)))


def unbiased_centred_alignment(first: Any, second: Any) -> float:
    """As `centred_alignment`, from unbiased estimates of the three products (Song et al. 2012, theorem 3; Nguyen et al. 2021).

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
            raise ValueError(f"{name} must be the Gram matrix of a sample, (n, n) with n of at least 2; received {matrix.shape}")
        check_finite(name, matrix)
        if np.abs(matrix - matrix.T).max() > 1e-6 * np.abs(matrix).max():
            raise ValueError(f"{name} is not symmetric; a Gram matrix k(x, x) of one sample is")
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
        raise ValueError("a Gram matrix is constant, up to its diagonal: its features do not vary, and have no alignment")
    return product / np.sqrt(first * second)


def _unbiased_product(a: Gram, b: Gram) -> float:
    """Song et al. 2012, equation 5, with the diagonals left out."""
    a, b, n = a - np.diag(np.diagonal(a)), b - np.diag(np.diagonal(b)), len(a)
    rows_a, rows_b = a.sum(0), b.sum(0)
    total = _inner(a, b) + rows_a.sum() * rows_b.sum() / ((n - 1) * (n - 2)) - 2 * float(rows_a @ rows_b) / (n - 2)
    return total / (n * (n - 3))
