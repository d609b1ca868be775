"""Mercer spectra of zonal kernels: eigenvalues on the sphere by Gegenbauer coefficients (Funk & Hecke)."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from nnlimits.nn.fields import as_integer
from nnlimits.rkhs.evaluation import KernelFunction
from nnlimits.rkhs.gegenbauer import each_orthonormal_polynomial, multiplicities, orthonormal_polynomials
from nnlimits.rkhs.quadrature import angular_rule
from nnlimits.rkhs.zonal import zonal
from nnlimits.validation import check_positive

Degrees = Float[np.ndarray, " k"]

_NODES = (24, 20)
"""Of the panels of two rules, which agree to the rounding of the kernel where both are exact."""

LARGEST_DEGREE = 20_000

_UNIT = float(np.finfo(np.float64).eps)


class MercerSpectrum(NamedTuple):
    """The eigenvalues of a zonal kernel with respect to the uniform probability measure on S^(d-1), by degree.

    `k(x, x') = sum_k eigenvalues[k] sum_j Y_kj(x) Y_kj(x')`, with `multiplicities[k]` orthonormal harmonics of degree k.
    """

    dimension: int
    """That of the space, d."""
    radius: float
    eigenvalues: Degrees
    """Of degrees 0, 1, ...: zero where a value cannot be told from rounding, as where the kernel has no part of this degree."""
    errors: Degrees
    """Bounds of their absolute errors: of eigenvalues that are given as zero too."""
    multiplicities: Degrees
    """How many harmonics of each degree there are."""
    diagonal: float
    """The kernel of a point with itself: the sum of all eigenvalues."""

    @property
    def resolved(self) -> Bool[np.ndarray, " k"]:
        """Which eigenvalues stand out of rounding."""
        return self.eigenvalues > 0

    @property
    def trace(self) -> float:
        """The sum of the eigenvalues that were found, each as often as it is repeated."""
        return float(self.eigenvalues @ self.multiplicities)

    @property
    def tail(self) -> float:
        """The sum of the eigenvalues that were not found: of higher degrees, or below rounding; not negative."""
        return max(0.0, self.diagonal - self.trace)

    def effective_dimension(self, regularization: int | float) -> float:
        """`sum mu / (mu + regularization)` over all eigenvalues; those of the tail as if they were far below it.

        **Raises:** `ValueError` unless the regularization is positive.
        """
        check_positive("regularization", regularization)
        shares = self.eigenvalues / (self.eigenvalues + regularization)
        return float(shares @ self.multiplicities) + self.tail / regularization

    def values(self, cosine: Any) -> Float[np.ndarray, " m"]:
        """The kernel at cosines of angles, summed over the eigenvalues that were found; off by at most `tail`.

        **Raises:** `ValueError` for cosines outside [-1, 1].
        """
        t = np.atleast_1d(np.asarray(cosine, np.float64))
        if not (np.abs(t) <= 1).all():
            raise ValueError("cosine must be in [-1, 1]")
        polynomials = orthonormal_polynomials(self.dimension, len(self.eigenvalues) - 1, t)
        return (self.eigenvalues * np.sqrt(self.multiplicities)) @ polynomials

    def flattened(self, count: int) -> Float[np.ndarray, " count"]:
        """The largest `count` eigenvalues, each as often as it is repeated, descending.

        **Raises:** `ValueError` if fewer were found; it says how many.
        """
        wanted = as_integer("count", 1, count)
        order = np.argsort(-self.eigenvalues, kind="stable")
        ends = np.cumsum(np.where(self.resolved, self.multiplicities, 0.0)[order])
        if ends[-1] < wanted:
            raise ValueError(
                f"count is {wanted}, but the resolved eigenvalues up to degree {len(self.eigenvalues) - 1} are "
                f"{ends[-1]:.0f} with their multiplicities; ask for fewer, or compute more degrees"
            )
        return self.eigenvalues[order][np.searchsorted(ends, np.arange(wanted), side="right")]


def mercer(
    kernel: KernelFunction, dimension: int, degrees: int = 60, *, radius: int | float | None = None
) -> MercerSpectrum:
    """The Mercer spectrum on the sphere S^(d-1) of a kernel that depends on the angle, such as any fully connected network's.

    `mu_k = |S^(d-2)| / |S^(d-1)| * integral of kappa(t) P_k(t) (1 - t^2)^((d-3)/2) dt` (Funk-Hecke), integrated in the angle by
    two Gauss rules on panels graded to both ends, in float64. What is absolute there is the error of `mu_k sqrt(N(d, k))`, a few
    rounding units of the kernel: `mu_k` below that has no correct digit, and is given as zero with its bound in `errors`.

    **Arguments:**

    - `kernel`: `nnlimits.kernel(network).ntk` or `.nngp`, or any function `k(x1, x2)` that rotations do not change.
    - `dimension`: d, at least 2. `degrees`: the highest degree k, at most 20,000.
    - `radius`: of the sphere; `sqrt(d)` if absent.

    **Returns:** a `MercerSpectrum`.

    **Raises:** `TypeError` for what is no kernel; `ValueError` for a dimension, radius or degree out of range, a kernel that
    changes under rotations, or that is not positive semi-definite; `NotImplementedError` that names the layer for a network
    that is not fully connected.

    Bach 2017; Bietti & Mairal 2019, proposition 5.
    """
    last = _as_degrees(degrees)
    function = zonal(kernel, dimension, radius)
    numbers = multiplicities(function.dimension, last)
    coefficients, other = _projections(function, function.dimension, last)
    diagonal = function.diagonal
    floor = 4 * max(float(np.abs(coefficients - other).max()), _UNIT * abs(diagonal))
    values, errors = coefficients / np.sqrt(numbers), floor / np.sqrt(numbers)
    _check_positive_definite(values, errors)
    return MercerSpectrum(
        function.dimension, function.radius, np.where(values > errors, values, 0.0), errors, numbers, diagonal
    )


def zonal_power(function: Any, dimension: int, degrees: int = 60) -> Degrees:
    """How much of the mean square of `x -> function(<x, w>)`, for unit vectors x and w, lies in each degree.

    **Arguments:** `function`, of arrays of cosines, NumPy's; `dimension`, d; `degrees`, the highest. The rest of the mean square
    is in higher degrees.

    **Raises:** `ValueError` for a function whose values have another shape or are not finite.
    """

    if not callable(function):
        raise TypeError(f"function must be a function of an array of cosines; received {type(function).__name__}")

    def values(distance: np.ndarray, opposite: np.ndarray) -> np.ndarray:
        cosine = np.where(opposite, -1.0, 1.0) * np.cos(distance)
        found = np.asarray(function(cosine), np.float64)
        if found.shape != cosine.shape or not np.isfinite(found).all():
            raise ValueError(
                f"function must return finite values of shape {cosine.shape}; received shape {found.shape}"
            )
        return found

    return _projections(values, dimension, _as_degrees(degrees))[0] ** 2


def _projections(function: Any, dimension: int, degrees: int) -> tuple[Degrees, Degrees]:
    """The integrals of a function of the angle with the orthonormal polynomials, by two rules."""
    rules = [angular_rule(dimension, degrees, nodes) for nodes in _NODES]
    distance = np.concatenate([rule.distance for rule in rules])
    opposite = np.concatenate([rule.opposite for rule in rules])
    parts = np.split(function(distance, opposite), [len(rules[0].distance)])
    first, second = (
        _products(dimension, degrees, rule.cosine, rule.weights * part) for rule, part in zip(rules, parts, strict=True)
    )
    return first, second


def _products(dimension: int, degrees: int, cosine: np.ndarray, values: np.ndarray) -> Degrees:
    return np.array([row @ values for row in each_orthonormal_polynomial(dimension, degrees, cosine)])


def _as_degrees(degrees: Any) -> int:
    last = as_integer("degrees", 0, degrees)
    if last > LARGEST_DEGREE:
        raise ValueError(
            f"degrees must be at most {LARGEST_DEGREE:,}, since the work grows as their square; received {last}"
        )
    return last


def _check_positive_definite(values: Degrees, errors: Degrees) -> None:
    below = np.flatnonzero(values < -10 * errors)
    if len(below):
        k = int(below[0])
        raise ValueError(
            f"kernel is not positive semi-definite on the sphere: its coefficient of degree {k} is {values[k]:.3g}, with a "
            f"rounding error below {errors[k]:.1g}, so it has no Mercer spectrum"
        )
    if not math.isfinite(float(values.sum())):
        raise ValueError("kernel overflows on this sphere; take a smaller radius or smaller scales of weights")
