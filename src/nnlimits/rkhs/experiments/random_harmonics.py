"""Random functions on a sphere, with a given mean square in each degree of spherical harmonics."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits.rkhs.gegenbauer import check_dimension, multiplicities, orthonormal_polynomials
from nnlimits.validation import check_non_negative

_DIRECTIONS = 64


class RandomHarmonics(NamedTuple):
    """`f(x) = sum_k sum_j weights[k, j] p_k(<x, w_j>)` for unit vectors `w_j` and the orthonormal zonal polynomials `p_k`."""

    directions: Float[np.ndarray, "j d"]
    weights: Float[np.ndarray, "k j"]
    """Zero rows for degrees that are absent."""

    def __call__(self, x: Any) -> Float[np.ndarray, " n"]:
        """Values at inputs (n, d), of which only the directions count."""
        points = np.asarray(x, np.float64)
        cosines = points @ self.directions.T / np.linalg.norm(points, axis=1, keepdims=True)
        total = np.zeros(len(points))
        for j, weights in enumerate(self.weights.T):
            total += weights @ orthonormal_polynomials(len(self.directions[0]), len(weights) - 1, cosines[:, j])
        return total


def random_harmonics(dimension: int, power: Any, generator: np.random.Generator) -> RandomHarmonics:
    """A random function on S^(d-1) of which degree k has exactly the mean square `power[k]`.

    **Arguments:** `dimension`, d; `power`, of degrees 0, 1, ...; `generator`, NumPy's.

    **Raises:** `ValueError` for a dimension below 2, or power that is negative or not one number a degree.
    """
    d, strength = check_dimension(dimension), np.asarray(power, np.float64)
    if strength.ndim != 1 or not len(strength):
        raise ValueError(f"power must be one number for each degree; received shape {strength.shape}")
    check_non_negative("power", float(strength.min()) if np.isfinite(strength).all() else float("nan"))
    directions = generator.standard_normal((_DIRECTIONS, d))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    weights = generator.standard_normal((len(strength), _DIRECTIONS))
    cosines = np.clip(directions @ directions.T, -1, 1)
    polynomials = orthonormal_polynomials(d, len(strength) - 1, cosines.ravel()).reshape(-1, *cosines.shape)
    for k, number in enumerate(np.sqrt(multiplicities(d, len(strength) - 1))):
        # p_k(<., w>) and p_k(<., w'>) have the mean product P_k(<w, w'>)
        weights[k] *= np.sqrt(strength[k] / (weights[k] @ polynomials[k] @ weights[k] / number))
    return RandomHarmonics(directions, weights)
