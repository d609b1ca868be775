import functools

import jax
import numpy as np
import pytest
from scipy.stats import multivariate_normal

import nnlimits as nl
from nnlimits import nn
from nnlimits.predict import log_marginal_likelihood


def kernel_of(w_std, b_std, slope):
    return nl.kernel(nn.Sequential(nn.Dense(1, w_std=w_std, b_std=b_std), nn.LeakyRelu(slope), nn.Dense(1, b_std=0.3)))


def evidence(data, w_std, b_std, slope, noise):
    return log_marginal_likelihood(kernel_of(w_std, b_std, slope), data.x, data.y, noise=noise)


def evidence_of_posterior(data, w_std, b_std, slope, noise):
    return nl.posterior(kernel_of(w_std, b_std, slope), data.x, data.y, noise=noise).log_marginal_likelihood


def test_is_the_gaussian_log_density(kernel, data):
    covariance = np.asarray(kernel.nngp(data.x)) + 0.1 * np.eye(12)
    expected = sum(multivariate_normal(cov=covariance).logpdf(column) for column in data.y.T)
    assert abs(float(log_marginal_likelihood(kernel, data.x, data.y, noise=0.1)) - expected) < 1e-11
    assert abs(float(nl.posterior(kernel, data.x, data.y, noise=0.1).log_marginal_likelihood) - expected) < 1e-11


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("function", "jit"),
    [
        pytest.param(evidence, True, marks=pytest.mark.slow),
        pytest.param(evidence, False, marks=pytest.mark.slow),
        (evidence_of_posterior, True),
    ],
)
def test_gradients_are_those_of_finite_differences(data, function, jit):
    """Central differences at step 1e-5 err by about 1e-9."""
    point = (1.3, 0.4, 0.2, 0.05)
    function = functools.partial(function, data)
    numerical = [(function(*(point + s)) - function(*(point - s))) / 2e-5 for s in 1e-5 * np.eye(4)]
    gradient = jax.grad(function, (0, 1, 2, 3))
    np.testing.assert_allclose((jax.jit(gradient) if jit else gradient)(*point), numerical, rtol=1e-6)
    forward = jax.jit(lambda *p: jax.jvp(function, p, (1.0, 0.0, 0.0, 2.0))[1])(*point)
    np.testing.assert_allclose(forward, numerical[0] + 2 * numerical[3], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_gradient_in_the_kernel_as_a_value(data):
    kernel = kernel_of(1.3, 0.4, 0.2)
    gradient = jax.jit(jax.grad(lambda k: log_marginal_likelihood(k, data.x, data.y, noise=0.05)))(kernel)
    expected = jax.jit(jax.grad(lambda w: evidence(data, w, 0.4, 0.2, 0.05)))(1.3)
    np.testing.assert_allclose(gradient.network.layers[0].w_std, expected, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_second_derivatives(data):
    slope = jax.jit(jax.grad(lambda noise: evidence(data, 1.3, 0.4, 0.2, noise)))
    numerical = (slope(0.05 + 1e-5) - slope(0.05 - 1e-5)) / 2e-5
    np.testing.assert_allclose(jax.jit(jax.grad(slope))(0.05), numerical, rtol=1e-5)


@pytest.mark.slow
def test_gradients_in_float32(data):
    single = [a.astype(np.float32) for a in data[:2]]
    gradients = [
        jax.jit(jax.grad(lambda w, n, a=a: log_marginal_likelihood(kernel_of(w, 0.4, 0.2), *a, noise=n), (0, 1)))
        for a in (single, data[:2])
    ]
    with jax.enable_x64(True):
        double = np.asarray(gradients[1](1.3, 0.05))
    np.testing.assert_allclose(gradients[0](1.3, 0.05), double, rtol=1e-3)
