"""Gegenbauer polynomials on the sphere: multiplicities, orthonormal values, and the weight of the angle.

On the sphere S^(d-1) with its uniform probability measure, the inner product `t = cos(theta)` with a fixed point has the density
`Gamma(d/2) / (sqrt(pi) Gamma((d-1)/2)) (1 - t^2)^((d-3)/2)`. Its orthogonal polynomials are those of Gegenbauer, `P_k` if they
are one at `t = 1`; `sqrt(N(d, k)) P_k` are orthonormal, with `N(d, k)` the dimension of the spherical harmonics of degree k
(Mueller 1966; Atkinson & Han 2012, chapter 2).
"""

import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from nnlimits.nn.fields import as_integer

Angles = Float[np.ndarray, " nodes"]


def check_dimension(dimension: Any) -> int:
    """`dimension` of the space that holds the sphere, as an integer of at least 2."""
    return as_integer("dimension", 2, dimension)


def multiplicities(dimension: int, degrees: int) -> Float[np.ndarray, " k"]:
    """`N(d, k)` for k = 0, ..., `degrees`: how many spherical harmonics of degree k the sphere S^(d-1) has.

    Exact integers, rounded to float64 at the end. **Raises:** `ValueError` for a dimension below 2, negative degrees, or a number
    beyond float64, as of degree 300 in 5,000 dimensions.
    """
    d, last = check_dimension(dimension), as_integer("degrees", 0, degrees)
    numbers: list[float] = []
    for k in range(last + 1):
        number = math.comb(k + d - 1, d - 1) - (math.comb(k + d - 3, d - 1) if k > 1 else 0)
        if number > sys.float_info.max:
            raise ValueError(
                f"degrees is {last}, but in {d:,} dimensions the number of harmonics of degree {k} is beyond float64; give at "
                f"most {k - 1}"
            )
        numbers.append(float(number))
    return np.array(numbers)


def log_density(dimension: int, angle: Angles) -> Angles:
    """The logarithm of the density of the angle in (0, pi) between a fixed and a uniform point of S^(d-1)."""
    d = dimension
    constant = math.lgamma(d / 2) - math.lgamma((d - 1) / 2) - math.log(math.pi) / 2
    with np.errstate(divide="ignore"):
        return constant + (d - 2) * np.log(np.sin(angle)) if d > 2 else np.full_like(angle, constant)


def orthonormal_polynomials(dimension: int, degrees: int, cosine: Angles) -> Float[np.ndarray, "k nodes"]:
    """`sqrt(N(d, k)) P_k(cosine)` for k = 0, ..., `degrees`, by their three-term recurrence.

    `t p_k = b_(k+1) p_(k+1) + b_k p_(k-1)` with `b_k^2 = k (k + d - 3) / ((2 k + d - 2) (2 k + d - 4))`, which is stable
    on [-1, 1].
    """
    return np.stack(list(each_orthonormal_polynomial(dimension, degrees, cosine)))


def each_orthonormal_polynomial(dimension: int, degrees: int, cosine: Angles) -> Iterator[Angles]:
    """The rows of `orthonormal_polynomials`, one after the other: in memory for two of them."""
    d, last = check_dimension(dimension), as_integer("degrees", 0, degrees)
    before, current = np.zeros_like(cosine), np.ones_like(cosine)
    yield current
    for k in range(last):
        lower = _off_diagonal(d, k) * before if k else 0.0
        before, current = current, (cosine * current - lower) / _off_diagonal(d, k + 1)
        yield current


def _off_diagonal(d: int, k: int) -> float:
    """`b_k`; in two dimensions `b_1^2 = 1/2`, as T_0 has another norm than the Chebyshev polynomials after it."""
    if d == 2:
        return math.sqrt(0.5) if k == 1 else 0.5
    return math.sqrt(k * (k + d - 3) / ((2 * k + d - 2) * (2 * k + d - 4)))
