import numpy as np
import pytest
from scipy.stats import multivariate_normal

from nnlimits.estimators.criteria import CRITERIA, leave_one_out, marginal_likelihood


@pytest.fixture
def example():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(7, 9))
    return root @ root.T / 9 + 0.1 * np.eye(7), rng.normal(size=(7, 2))


def test_marginal_likelihood_is_the_density_of_an_output(example):
    covariance, y = example
    expected = np.mean([multivariate_normal.logpdf(column, cov=covariance) for column in y.T])
    assert marginal_likelihood(covariance, y)[0] == pytest.approx(expected, rel=1e-12)


def test_leave_one_out_is_the_sum_of_conditional_densities(example):
    covariance, y = example
    total = 0.0
    for i in range(len(y)):
        rest = np.delete(np.arange(len(y)), i)
        gain = np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[rest, i])
        mean, variance = gain @ y[rest], covariance[i, i] - gain @ covariance[rest, i]
        total += (-((y[i] - mean) ** 2) / variance / 2 - np.log(2 * np.pi * variance) / 2).mean()
    assert leave_one_out(covariance, y)[0] == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("criterion", CRITERIA.values(), ids=CRITERIA)
def test_derivative(example, criterion):
    covariance, y = example
    direction = np.random.default_rng(1).normal(size=covariance.shape)
    direction += direction.T
    step = 1e-5
    difference = criterion(covariance + step * direction, y)[0] - criterion(covariance - step * direction, y)[0]
    derivative = criterion(covariance, y)[1]
    np.testing.assert_allclose(derivative, derivative.T, rtol=1e-10, atol=1e-12)
    # central differences err by the square of the step
    assert (derivative * direction).sum() == pytest.approx(difference / (2 * step), rel=1e-7)


@pytest.mark.parametrize("criterion", CRITERIA.values(), ids=CRITERIA)
def test_indefinite(example, criterion):
    covariance, y = example
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        criterion(covariance - 2 * np.eye(7), y)
    with pytest.raises(np.linalg.LinAlgError):
        criterion(np.full((7, 7), np.nan), y)
