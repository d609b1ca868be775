"""Polynomials of one variable."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.polynomial import Polynomial

from nnlimits.approximation.relu_calculus.affine import affine
from nnlimits.approximation.relu_calculus.compose import compose
from nnlimits.approximation.relu_calculus.monomial import monomial_error, monomials
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.validation import check_finite


def polynomial(coefficients: Any, levels: int, *, lower: float = -1.0, upper: float = 1.0) -> ReluNetwork:
    """The function `x -> c_0 + c_1 x + ... + c_k x^k` for x from `lower` to `upper`, up to `polynomial_error`.

    A combination of the `monomials` of the coordinate t that goes from -1 to 1. Exact, up to rounding, at both ends and in
    the middle. Of degree 0 or 1 it is affine and has depth 0; else its depth is `ceil(log2 k) (levels + 1)`. (Yarotsky 2017;
    Petersen & Voigtlaender 2018, Lemma A.4.)

    **Arguments:** `coefficients`, c, one or more; `levels`, of the squares, at least 1; `lower` and `upper`, the ends.

    **Raises:** `ValueError` for no coefficients, ones that are not finite, or ends out of order.
    """
    local = local_coefficients(coefficients, lower, upper)
    if len(local) == 1:
        return affine(np.zeros((1, 1)), local)
    to_local = affine(np.array([[2.0 / (upper - lower)]]), np.array([-(lower + upper) / (upper - lower)]))
    return compose(affine(local[1:, None], local[:1]), monomials(len(local) - 1, levels), to_local)


def polynomial_error(coefficients: Any, levels: int, *, lower: float = -1.0, upper: float = 1.0) -> float:
    """`sum_k |c_k| monomial_error(k, levels)` over the coefficients in the coordinate t, a bound of `polynomial`'s error.

    **Arguments:** and **Raises:** as `polynomial`.
    """
    local = local_coefficients(coefficients, lower, upper)
    return float(sum(abs(c) * monomial_error(k, levels) for k, c in enumerate(local) if k > 1))


def local_coefficients(coefficients: Any, lower: float, upper: float) -> Float[np.ndarray, " m"]:
    """The coefficients of a polynomial of x in the coordinate t that goes from -1 to 1, without zeros at the end.

    **Raises:** as `polynomial`.
    """
    coefficients = np.asarray(coefficients, np.float64)
    if coefficients.ndim != 1 or coefficients.size == 0:
        raise ValueError(f"coefficients must be a vector with one number or more; received shape {coefficients.shape}")
    check_finite("coefficients", coefficients)
    if not (np.isfinite([lower, upper]).all() and lower < upper):
        raise ValueError(f"lower must be below upper, both finite; received {lower} and {upper}")
    local = Polynomial(coefficients).convert(domain=[lower, upper], window=[-1.0, 1.0]).coef
    return np.trim_zeros(np.asarray(local, np.float64), "b") if np.any(local) else np.zeros(1)
