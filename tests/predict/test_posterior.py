import jax
import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Kernel

import nnlimits as nl


class Precomputed(Kernel):
    """A scikit-learn kernel that calls ours."""

    def __init__(self, kernel):
        self.kernel = kernel

    def __call__(self, x, y=None, eval_gradient=False):
        return np.array(self.kernel.nngp(x, y))

    def diag(self, x):
        return np.array(self.kernel.diagonal(x).nngp)

    def is_stationary(self):
        return False


@pytest.mark.parametrize("outputs", [None, 1, 2])
def test_agrees_with_scikit_learn(kernel, data, error, outputs):
    y = data.y[:, 0] if outputs is None else data.y[:, :outputs]
    reference = GaussianProcessRegressor(Precomputed(kernel), alpha=0.03, optimizer=None).fit(data.x, y)
    mean, cov = reference.predict(data.x_test, return_cov=True)
    posterior = nl.posterior(kernel, data.x, y, noise=0.03)
    assert error(posterior.mean(data.x_test), mean.reshape(posterior.mean(data.x_test).shape)) < 1e-12
    one = cov if outputs is None or cov.ndim == 2 else cov[..., 0]
    assert error(posterior.cov(data.x_test), one) < 1e-12
    assert error(posterior.std(data.x_test), np.sqrt(one.diagonal())) < 1e-12
    assert abs(float(posterior.log_marginal_likelihood) - reference.log_marginal_likelihood_value_) < 1e-11
    assert posterior.jitter == 0


def test_shapes_follow_the_targets(kernel, data):
    for y, tail in ((data.y, (2,)), (data.y[:, :1], (1,)), (data.y[:, 0], ())):
        posterior = nl.posterior(kernel, data.x, y, noise=0.1)
        assert posterior.mean(data.x_test).shape == (5, *tail)
        assert posterior.sample(jax.random.key(0), data.x_test, 3).shape == (3, 5, *tail)
        assert posterior.std(data.x_test).shape == (5,)
        assert posterior.cov(data.x_test).shape == (5, 5)
        assert posterior.loo().mean.shape == y.shape


def test_observations_have_the_noise_too(kernel, data, error):
    posterior = nl.posterior(kernel, data.x, data.y, noise=0.2)
    cov = np.asarray(posterior.cov(data.x_test))
    assert error(posterior.observation_cov(data.x_test), cov + 0.2 * np.eye(5)) < 1e-14
    assert error(posterior.observation_std(data.x_test), np.sqrt(cov.diagonal() + 0.2)) < 1e-12


def test_covariance_is_positive_semi_definite_and_shrinks(kernel, data):
    x = np.concatenate([data.x, data.x_test])
    for noise in (0.0, 1e-6, 1.0):
        cov = np.asarray(nl.posterior(kernel, data.x, data.y, noise=noise).cov(x))
        prior = np.asarray(kernel.nngp(x))
        assert np.linalg.eigvalsh(cov).min() > -1e-13 * prior.max()
        assert np.linalg.eigvalsh(prior - cov).min() > -1e-13 * prior.max()


def test_interpolates_without_noise(kernel, data, error):
    posterior = nl.posterior(kernel, data.x, data.y)
    assert error(posterior.mean(data.x), data.y) < 1e-12
    assert np.asarray(posterior.std(data.x)).max() < 1e-6


def test_samples_have_the_posteriors_moments(kernel, data):
    """20,000 draws: their mean is within five standard errors, and their covariance within 5 % of its largest entry."""
    posterior = nl.posterior(kernel, data.x, data.y, noise=0.1)
    draws = np.asarray(posterior.sample(jax.random.key(1), data.x_test, 20_000))
    mean, cov = np.asarray(posterior.mean(data.x_test)), np.asarray(posterior.cov(data.x_test))
    errors = abs(draws.mean(0) - mean) / np.sqrt(cov.diagonal() / len(draws))[:, None]
    assert errors.max() < 5
    for output in range(2):
        assert abs(np.cov(draws[..., output].T) - cov).max() < 0.05 * cov.max()


def test_float32_stays_float32_and_close_to_float64(kernel, data, error):
    single = nl.posterior(kernel, *(a.astype(np.float32) for a in data[:2]), noise=1e-3)
    double = nl.posterior(kernel, *data[:2], noise=1e-3)
    x = data.x_test.astype(np.float32)
    for method in ("mean", "std", "cov", "observation_std"):
        found = getattr(single, method)(x)
        assert found.dtype == np.float32
        expected = getattr(double, method)(data.x_test)
        assert expected.dtype == np.float64
        assert error(found, expected) < 1e-5
    assert single.log_marginal_likelihood.dtype == np.float32


def test_large_test_sets_go_by_blocks(kernel, data, error, monkeypatch):
    posterior = nl.posterior(kernel, data.x, data.y, noise=0.1)
    flow = nl.gradient_flow(kernel, data.x, data.y)
    times = np.array([1.0, np.inf])
    whole = [posterior.mean(data.x_test), posterior.std(data.x_test), posterior.cov(data.x_test)]
    whole += [flow.mean(data.x_test, times), flow.std(data.x_test, times)]
    monkeypatch.setattr("nnlimits.predict.working_precision.BLOCK", 2 * len(data.x))
    parts = [posterior.mean(data.x_test), posterior.std(data.x_test), posterior.cov(data.x_test)]
    parts += [flow.mean(data.x_test, times), flow.std(data.x_test, times)]
    for found, expected in zip(parts, whole, strict=True):
        assert error(found, expected) < 1e-13
