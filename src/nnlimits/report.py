"""How good predictions are, and how honest about their uncertainty."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import norm

Probabilities = Float[np.ndarray, "n classes"]
Labels = Int[np.ndarray, " n"]
Vector = Float[np.ndarray, " n"]

SMALLEST = 1e-12
"""The smallest probability that counts, so that one impossible event does not make a likelihood infinite."""


class Reliability(NamedTuple):
    """Predictions in bins of equal width by confidence, the probability of the predicted class."""

    confidence: Float[np.ndarray, " bins"]
    """Mean confidence in each bin; NaN in an empty one."""
    accuracy: Float[np.ndarray, " bins"]
    """Fraction that was right; NaN in an empty bin."""
    count: Int[np.ndarray, " bins"]


def accuracy(labels: Labels, probabilities: Probabilities) -> float:
    """The fraction of examples whose most probable class is the right one."""
    return float((probabilities.argmax(1) == labels).mean())


def negative_log_likelihood(labels: Labels, probabilities: Probabilities) -> float:
    """The mean of `-log p` of the right class, in nats."""
    return float(-np.log(probabilities[np.arange(len(labels)), labels].clip(SMALLEST)).mean())


def reliability(labels: Labels, probabilities: Probabilities, bins: int = 10) -> Reliability:
    """Confidence against accuracy, in `bins` bins of equal width."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    member = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(member, minlength=bins)
    occupied = np.where(count > 0, count, np.nan)
    return Reliability(
        np.bincount(member, confidence, bins) / occupied, np.bincount(member, right, bins) / occupied, count
    )


def expected_calibration_error(labels: Labels, probabilities: Probabilities, bins: int = 10) -> float:
    """The mean gap between confidence and accuracy over bins, weighted by their counts (Naeini et al. 2015; Guo et al. 2017)."""
    binned = reliability(labels, probabilities, bins)
    return float(np.nansum(binned.count * abs(binned.confidence - binned.accuracy)) / len(labels))


def root_mean_squared_error(targets: Vector, mean: Vector) -> float:
    """The root of the mean squared error, in the units of the targets."""
    return float(((targets - mean) ** 2).mean() ** 0.5)


def gaussian_negative_log_likelihood(targets: Vector, mean: Vector, std: Vector) -> float:
    """The mean of `-log` of the predictive density, Gaussian of this mean and standard deviation, in nats."""
    return float(-norm.logpdf(targets, mean, np.maximum(std, SMALLEST)).mean())


def coverage(targets: Vector, mean: Vector, std: Vector, level: float = 0.95) -> float:
    """The fraction of targets inside the central interval that should hold a fraction `level` of them."""
    return float((abs(targets - mean) <= norm.ppf((1 + level) / 2) * std).mean())
