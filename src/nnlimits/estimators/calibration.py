"""Predictive probabilities that hold: what remains to be fitted once the network has learned, by leave-one-out predictions.

Each example is predicted from all others in closed form, so calibration needs neither other data nor other fits.
"""

import numpy as np
import scipy.optimize
from jaxtyping import Float, Int
from scipy.special import log_softmax, softmax

Scores = Float[np.ndarray, "n classes"]
Outputs = Float[np.ndarray, "n o"]

LOG_TEMPERATURES = (-6.0, 3.0)
LOG_NOISES = (-16.0, 4.0)


def fit_temperature(scores: Scores, labels: Int[np.ndarray, " n"]) -> float:
    """The temperature at which `softmax(scores / temperature)` has the least negative log-likelihood (Guo et al. 2017).

    **Arguments:** `scores` of examples that they were not fitted to; `labels`, the columns of their classes.
    """

    def loss(log_temperature: float) -> float:
        log_probability = log_softmax(scores * np.exp(-log_temperature), axis=1)
        return -float(log_probability[np.arange(len(labels)), labels].mean())

    return _minimized(loss, LOG_TEMPERATURES)


def probabilities(scores: Scores, temperature: float) -> Scores:
    """Class probabilities, `softmax(scores / temperature)`."""
    return softmax(scores / temperature, axis=1)


def fit_noise(residuals: Outputs, variances: Float[np.ndarray, " n"]) -> float:
    """The variance of noise that gives residuals the largest likelihood, beside the variances that are known.

    **Arguments:** `residuals` of examples left out, and the `variances` of what was predicted for them.
    """

    def loss(log_noise: float) -> float:
        total = variances[:, None] + np.exp(log_noise)
        return float((residuals**2 / total + np.log(total)).mean())

    return _minimized(loss, LOG_NOISES)


def _minimized(loss, bounds: tuple[float, float]) -> float:
    return float(np.exp(scipy.optimize.minimize_scalar(loss, bounds=bounds, method="bounded").x))
