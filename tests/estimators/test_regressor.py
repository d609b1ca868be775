import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import nnlimits as nl
from nnlimits import InfiniteNetRegressor, nn

NETWORK = nn.Sequential(nn.Dense(1, w_std=1.3, b_std=0.2), nn.Relu(), nn.Dense(1))
AS_IT_IS = {"network": NETWORK, "select": None, "standardize": False}


def test_accuracy_and_attributes(problem, regressor):
    assert regressor.score(problem.x_test, problem.y_test) > 0.9
    assert regressor.kernel_ == nl.kernel(regressor.network_)
    assert eval(repr(regressor.network_)) == regressor.network_
    assert regressor.jitter_ == 0
    assert regressor.n_features_in_ == 4
    assert len(regressor.selection_) == 1
    # the noise has a variance of 0.01, and the targets one near 0.9
    assert regressor.noise_ * problem.y.var() == pytest.approx(0.01, rel=0.8)


def test_without_selection_it_is_the_posterior(problem):
    model = InfiniteNetRegressor(**AS_IT_IS, noise=0.1).fit(problem.x, problem.y)
    bayes = nl.posterior(nl.kernel(NETWORK), problem.x, problem.y, noise=0.1)
    mean, std = model.predict(problem.x_test, return_std=True)
    np.testing.assert_allclose(mean, bayes.mean(problem.x_test), rtol=1e-12)
    np.testing.assert_allclose(std, bayes.observation_std(problem.x_test), rtol=1e-12)
    assert model.network_ == NETWORK
    assert model.log_marginal_likelihood_ == pytest.approx(float(bayes.log_marginal_likelihood), rel=1e-12)


@pytest.mark.parametrize("time", [math.inf, 50.0])
def test_without_selection_it_is_the_ensemble(problem, time):
    model = InfiniteNetRegressor(**AS_IT_IS, noise=0.1, regime="trained", time=time).fit(problem.x, problem.y)
    kernel = nl.kernel(NETWORK)
    ridge = 0.1 / np.asarray(kernel.diagonal(problem.x).ntk).mean()
    flow = nl.gradient_flow(kernel, problem.x, problem.y, ridge=ridge)
    mean, covariance = model.predict(problem.x_test, return_cov=True)
    np.testing.assert_allclose(mean, flow.mean(problem.x_test, time), rtol=1e-9)
    noise = model.observation_noise_ * np.eye(len(mean))
    np.testing.assert_allclose(covariance, np.asarray(flow.cov(problem.x_test, time)) + noise, rtol=1e-9, atol=1e-12)


def test_standardization_makes_units_irrelevant(problem, regressor):
    scale, shift = np.array([1e3, 1e-3, 7.0, 1.0]), np.array([0.0, 1.0, -5.0, 2.0])
    other = InfiniteNetRegressor(depth=1).fit(problem.x * scale + shift, 100 * problem.y - 7)
    mean, std = regressor.predict(problem.x_test, return_std=True)
    other_mean, other_std = other.predict(problem.x_test * scale + shift, return_std=True)
    np.testing.assert_allclose(other_mean, 100 * mean - 7, rtol=1e-4)
    np.testing.assert_allclose(other_std, 100 * std, rtol=1e-4)
    # a density in other units
    difference = regressor.log_marginal_likelihood_ - other.log_marginal_likelihood_
    assert difference == pytest.approx(len(problem.y) * math.log(100), rel=1e-4)


@pytest.mark.parametrize("name", ["regressor", "trained"])
def test_intervals_cover(problem, name, request):
    model = request.getfixturevalue(name)
    mean, std = model.predict(problem.x_test, return_std=True)
    score = (problem.y_test - mean) / std
    # the mean square of 30 standard normal numbers has a standard deviation of 0.26
    assert 0.3 < (score**2).mean() < 2.5


@pytest.mark.parametrize("name", ["regressor", "trained"])
def test_std_and_cov_agree_and_samples_follow_them(problem, name, request):
    model = request.getfixturevalue(name)
    x = problem.x_test[:5]
    mean, covariance = model.predict(x, return_cov=True)
    np.testing.assert_allclose(np.sqrt(np.diagonal(covariance)), model.predict(x, return_std=True)[1], rtol=1e-8)
    samples = model.sample_y(x, 20_000, random_state=1)
    assert samples.shape == (5, 20_000)
    scale = np.sqrt(np.diagonal(covariance))
    # five standard errors of a mean, and of a covariance, from 20,000 draws
    np.testing.assert_allclose((samples.mean(1) - mean) / scale, 0, atol=5 / math.sqrt(20_000))
    np.testing.assert_allclose(np.cov(samples) / np.outer(scale, scale), covariance / np.outer(scale, scale), atol=0.06)
    np.testing.assert_array_equal(model.sample_y(x, 2), model.sample_y(x, 2))


def test_several_outputs_share_network_and_noise(problem):
    y = np.stack([problem.y, 10 * problem.y + 3], 1)
    model = InfiniteNetRegressor(depth=1).fit(problem.x, y)
    mean, std = model.predict(problem.x_test, return_std=True)
    assert mean.shape == std.shape == (30, 2)
    np.testing.assert_allclose(mean[:, 1], 10 * mean[:, 0] + 3, rtol=1e-9)
    np.testing.assert_allclose(std[:, 1], 10 * std[:, 0], rtol=1e-9)
    assert model.predict(problem.x_test, return_cov=True)[1].shape == (30, 30, 2)
    assert model.sample_y(problem.x_test, 4).shape == (30, 2, 4)
    assert InfiniteNetRegressor(depth=1, select=None).fit(problem.x, y[:, :1]).predict(problem.x).shape == (60, 1)


def test_the_density_of_the_targets_is_in_their_units(problem):
    model = InfiniteNetRegressor(depth=1, select=None, noise=0.3).fit(problem.x, problem.y)
    z = (problem.x - problem.x.mean(0)) / problem.x.std(0)
    covariance = problem.y.var() * (np.asarray(model.kernel_.nngp(z)) + 0.3 * np.eye(60))
    expected = multivariate_normal.logpdf(problem.y, np.full(60, problem.y.mean()), covariance)
    assert model.log_marginal_likelihood_ == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
def test_hard_tables():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 4))
    y = x[:, 0] ** 2
    constant = x * [1, 1, 0, 1] + [0, 0, 5, 0]
    duplicates = np.vstack([x, x, x[:1] + 1e-9])
    one = (x[:1], y[:1])
    for features, target in ((constant, y), (duplicates, np.r_[y, y + 0.1, y[:1]]), (x, np.ones(30)), one):
        parameters = {"depth": 1} if len(features) > 1 else {"depth": 1, "select": None}
        mean, std = InfiniteNetRegressor(**parameters).fit(features, target).predict(features, return_std=True)
        assert np.isfinite(mean).all()
        assert (std > 0).all()
    # without noise, duplicate rows need a jitter, which is reported
    with pytest.warns(UserWarning, match="jitter"):
        model = InfiniteNetRegressor(depth=1, select=None, noise=0.0).fit(duplicates[:60], np.r_[y, y])
    assert model.jitter_ > 0
    np.testing.assert_allclose(model.predict(x), y, atol=1e-3)


def test_both_std_and_cov(problem, regressor):
    with pytest.raises(ValueError, match="not both"):
        regressor.predict(problem.x, return_std=True, return_cov=True)
    with pytest.raises(ValueError, match="n_samples must be a positive integer; received 0"):
        regressor.sample_y(problem.x, 0)


@pytest.mark.slow
@pytest.mark.parametrize("select", [None, "marginal_likelihood"])
def test_infinitely_deep_networks(select):
    """A smooth function of little noise is learned; what is selected has its depth still, and is more likely than the start."""
    block = nn.Residual(nn.Sequential(nn.Relu(), nn.Dense(1, math.sqrt(2)), nn.DepthScale(0.5)))
    network = nn.Sequential(nn.Dense(1, b_std=0.1), nn.Repeat(block, math.inf), nn.Dense(1))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    y = np.sin(x[:, 0]) + x[:, 1]
    model = InfiniteNetRegressor(network=network, select=select).fit(x[:24], y[:24])
    assert model.score(x[24:], y[24:]) > 0.9
    assert "math.inf" in repr(model.network_)
    assert eval(repr(model.network_)) == model.network_
    if select is None:
        assert model.network_ == network
    else:
        start = InfiniteNetRegressor(network=network, select=None).fit(x[:24], y[:24])
        assert model.log_marginal_likelihood_ > start.log_marginal_likelihood_
