import numpy as np
import pytest
from scipy.special import softmax

from nnlimits.estimators.calibration import fit_noise, fit_temperature, probabilities


@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
def test_the_temperature_that_labels_were_drawn_at_is_found(temperature):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(20_000, 3)) * temperature
    chance = softmax(scores / temperature, axis=1)
    labels = (rng.random((len(scores), 1)) > chance.cumsum(1)).sum(1)
    # the Fisher information of a log temperature is near 0.4 an example: three standard errors are 0.035
    assert fit_temperature(scores, labels) == pytest.approx(temperature, rel=0.035)
    np.testing.assert_allclose(probabilities(scores, temperature).sum(1), 1)


def test_the_noise_beside_known_variances_is_found():
    rng = np.random.default_rng(0)
    variances = rng.uniform(0.1, 2.0, 20_000)
    residuals = rng.normal(size=(20_000, 2)) * np.sqrt(variances + 0.5)[:, None]
    # three standard errors of a variance near 1.5 from 40,000 draws
    assert fit_noise(residuals, variances) == pytest.approx(0.5, abs=0.035)


def test_separable_scores_stay_finite():
    scores = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert np.isfinite(probabilities(scores, fit_temperature(scores, np.array([0, 1])))).all()
