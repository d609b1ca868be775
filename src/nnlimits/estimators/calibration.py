"""From scores to class probabilities."""

import numpy as np
import scipy.optimize
from jaxtyping import Float, Int
from scipy.special import log_softmax, softmax

Scores = Float[np.ndarray, "n classes"]


def fit_temperature(scores: Scores, labels: Int[np.ndarray, " n"]) -> float:
    """The temperature at which `softmax(scores / temperature)` has the least negative log-likelihood (Guo et al. 2017)."""

    def loss(log_temperature: float) -> float:
        return -log_softmax(scores * np.exp(-log_temperature), axis=1)[np.arange(len(labels)), labels].mean()

    result = scipy.optimize.minimize_scalar(loss, bounds=(-6.0, 3.0), method="bounded")
    return float(np.exp(result.x))


def probabilities(scores: Scores, temperature: float) -> Scores:
    """Class probabilities at a temperature."""
    return softmax(scores / temperature, axis=1)
