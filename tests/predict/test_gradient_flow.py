import math

import jax
import numpy as np
import pytest
import scipy.linalg

import nnlimits as nl
from nnlimits.kernels.kernel import KernelPair as Pair

TIMES = np.array([0.0, 0.3, 3.0, 30.0, math.inf])


@pytest.mark.parametrize("train", ["all", "last_layer"])
@pytest.mark.parametrize("ridge", [0.0, 0.01])
def test_agrees_with_matrix_exponentials(kernel, data, error, train, ridge):
    """Theory's formulas, written with dense matrix functions."""
    x, y, z = data
    nngp, nngp_zx, nngp_zz = (np.asarray(kernel.nngp(*a)) for a in ((x,), (z, x), (z,)))
    theta, theta_zx = (nngp, nngp_zx) if train == "last_layer" else (np.asarray(kernel.ntk(*a)) for a in ((x,), (z, x)))
    added = ridge * theta.diagonal().mean()
    flow = nl.gradient_flow(kernel, x, y, train=train, ridge=ridge, learning_rate=1.7)
    regular = theta + added * np.eye(len(x))
    observed = nngp + (added if train == "last_layer" else 0) * np.eye(len(x))
    for t in TIMES:
        unlearned = scipy.linalg.expm(-1.7 * t / y.size * regular) if t < math.inf else 0
        a = theta_zx @ np.linalg.solve(regular, np.eye(len(x)) - unlearned)
        cov = nngp_zz + a @ observed @ a.T - a @ nngp_zx.T - nngp_zx @ a.T
        assert error(flow.mean(z, t), a @ y) < 1e-11
        assert error(flow.cov(z, t), cov) < 1e-11
        assert error(flow.std(z, t), np.sqrt(cov.diagonal())) < 1e-11


def test_starts_from_the_prior(kernel, data, error):
    flow = nl.gradient_flow(kernel, data.x, data.y)
    assert not np.asarray(flow.mean(data.x_test, 0.0)).any()
    assert error(flow.cov(data.x_test, 0.0), kernel.nngp(data.x_test)) < 1e-15


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_last_layer_ends_at_the_posterior(kernel, data, error, noise):
    scale = np.asarray(kernel.diagonal(data.x).nngp).mean()
    flow = nl.gradient_flow(kernel, data.x, data.y, train="last_layer", ridge=noise / scale)
    posterior = nl.posterior(kernel, data.x, data.y, noise=noise)
    assert error(flow.mean(data.x_test), posterior.mean(data.x_test)) < 1e-12
    assert error(flow.cov(data.x_test), posterior.cov(data.x_test)) < 1e-12


@pytest.mark.parametrize("train", ["all", "last_layer"])
@pytest.mark.parametrize("ridge", [0.0, 0.01])
def test_infinity_is_the_limit(kernel, data, error, train, ridge):
    """The largest finite time at which `exp(-eta lambda_min t / N)` is below 1e-12."""
    flow = nl.gradient_flow(kernel, data.x, data.y, train=train, ridge=ridge)
    assert error(flow.mean(data.x_test, 1e6), flow.mean(data.x_test)) < 1e-10
    assert error(flow.cov(data.x_test, 1e6), flow.cov(data.x_test)) < 1e-10
    assert error(flow.train_loss(np.array([0.0, 1e6])), flow.train_loss(np.array([0.0, math.inf]))) < 1e-10


@pytest.mark.parametrize("train", ["all", "last_layer"])
@pytest.mark.parametrize("ridge", [0.0, 0.01])
def test_expected_training_loss(kernel, data, error, train, ridge):
    """Half the mean over entries of squared bias plus variance, from the moments at the training inputs.

    With targets that carry noise of their own (`last_layer` and a ridge), the variance at the training inputs counts
    it.
    """
    flow = nl.gradient_flow(kernel, data.x, data.y, train=train, ridge=ridge)
    bias = ((np.asarray(flow.mean(data.x, TIMES)) - data.y) ** 2).mean((1, 2))
    variance = np.asarray(flow.cov(data.x, TIMES)).diagonal(axis1=1, axis2=2).mean(1)
    assert error(flow.train_loss(TIMES), (bias + variance) / 2) < 1e-11
    assert error(flow.train_loss_of_mean(TIMES), bias / 2) < 1e-11
    if ridge == 0:
        assert (np.diff(flow.train_loss(TIMES)) < 0).all()


def test_vector_of_times_equals_each(kernel, data, error):
    flow = nl.gradient_flow(kernel, data.x, data.y[:, 0])
    assert flow.mean(data.x_test, TIMES).shape == (5, 5)
    assert flow.cov(data.x_test, TIMES).shape == (5, 5, 5)
    for i, t in enumerate(TIMES):
        assert error(flow.mean(data.x_test, TIMES)[i], flow.mean(data.x_test, t)) < 1e-13
        assert error(flow.cov(data.x_test, TIMES)[i], flow.cov(data.x_test, t)) < 1e-13
        assert error(flow.std(data.x_test, TIMES)[i], flow.std(data.x_test, t)) < 1e-13
        assert error(flow.train(TIMES)[i], flow.train(t)) < 1e-13


@pytest.mark.slow
def test_covariance_is_positive_semi_definite(kernel, data):
    x = np.concatenate([data.x, data.x_test])
    for ridge in (0.0, 0.1):
        for cov in np.asarray(nl.gradient_flow(kernel, data.x, data.y, ridge=ridge).cov(x, TIMES)):
            assert np.linalg.eigvalsh(cov).min() > -1e-13 * np.asarray(kernel.nngp(x)).max()


def test_one_network_moves_from_its_initial_outputs(kernel, data, error):
    rng = np.random.default_rng(1)
    f0, f0_test = rng.normal(size=(12, 2)), rng.normal(size=(5, 2))
    flow = nl.gradient_flow(kernel, data.x, data.y, f0=f0)
    assert error(flow.train(0.0), f0) < 1e-15
    assert error(flow.mean(data.x_test, 0.0, f0_test=f0_test), f0_test) < 1e-15
    assert error(flow.train(), data.y) < 1e-12
    loss = ((np.asarray(flow.train(2.0)) - data.y) ** 2).mean() / 2
    assert abs(float(flow.train_loss(2.0)) - loss) < 1e-14
    with pytest.raises(ValueError, match="no ensemble covariance"):
        flow.cov(data.x_test)
    with pytest.raises(ValueError, match="f0_test must give them"):
        flow.mean(data.x_test)
    with pytest.raises(ValueError, match="f0_test must have shape"):
        flow.mean(data.x_test, f0_test=f0)
    with pytest.raises(ValueError, match="without f0"):
        nl.gradient_flow(kernel, data.x, data.y).mean(data.x_test, f0_test=f0_test)


def test_ensemble_of_linear_models_with_these_kernels(data):
    """Random features `f = params . phi(x)`, trained by gradient descent on simulated ensembles, have the predicted
    moments.

    With `K = Theta = phi phi^T / n` the kernel is exactly constant, so 4,000 draws test the moments to their sampling
    error: five standard errors of the mean, and 10 % of the largest covariance.
    """
    rng = np.random.default_rng(2)
    features = rng.normal(size=(8, 4))
    x, y, z = data.x[:6], data.y[:6, 0], data.x_test

    class Linear:
        def nngp(self, x1, x2=None):
            return features_of(x1) @ features_of(x1 if x2 is None else x2).T

        ntk = nngp

        def __call__(self, x1, x2=None):
            return Pair(self.nngp(x1, x2), self.nngp(x1, x2))

        def diagonal(self, x1):
            return Pair(*[(features_of(x1) ** 2).sum(1)] * 2)

    def features_of(inputs):
        return np.tanh(np.asarray(inputs) @ features.T)

    params = rng.normal(size=(4000, 8))
    for _ in range(2000):
        residual = params @ features_of(x).T - y
        params -= 5e-3 * residual @ features_of(x) / len(y)
    outputs = params @ features_of(z).T
    flow = nl.gradient_flow(Linear(), x, y)
    mean, cov = np.asarray(flow.mean(z, 10.0)), np.asarray(flow.cov(z, 10.0))
    assert (abs(outputs.mean(0) - mean) < 5 * np.sqrt(cov.diagonal() / 4000) + 1e-3).all()
    assert abs(np.cov(outputs.T) - cov).max() < 0.1 * cov.max()


def test_float32(kernel, data, error):
    single = nl.gradient_flow(kernel, *(a.astype(np.float32) for a in data[:2]))
    double = nl.gradient_flow(kernel, *data[:2])
    assert single.mean(data.x_test.astype(np.float32), 3.0).dtype == np.float32
    for t in (3.0, math.inf):
        assert error(single.mean(data.x_test.astype(np.float32), t), double.mean(data.x_test, t)) < 1e-5
        assert error(single.cov(data.x_test.astype(np.float32), t), double.cov(data.x_test, t)) < 1e-5


@pytest.mark.usefixtures("x64")
def test_derivative_in_time_is_the_flow(kernel, data, error):
    flow = nl.gradient_flow(kernel, data.x, data.y)
    velocity = jax.jit(jax.jacfwd(flow.train))(2.0)
    expected = -np.asarray(kernel.ntk(data.x)) @ (np.asarray(flow.train(2.0)) - data.y) / data.y.size
    assert error(velocity, expected) < 1e-11
