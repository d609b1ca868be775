"""Corrections of the Bayesian posterior against weighted samples of finite networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import mlp
from simulation import _network

import nnlimits as nl
from nnlimits import nn
from nnlimits.fluctuations import posterior_correction

X = np.array([[1.2, 0.6, -0.36], [0.24, -1.2, 1.08], [0.84, 0.84, 0.12]])
Y = np.array([[1.0, -0.3], [-0.5, 0.4]])
NOISE, W2, B2 = 0.1, 1.7, 0.2


def net(width):
    return mlp((width, width), nn.Tanh(), W2**0.5, B2**0.5, outputs=2)


def sampled(width, count):
    """Mean, covariances and `log p(y)` of the finite Bayesian network: each draw of `S` weighted by its likelihood."""
    with jax.enable_x64(False):
        x = jnp.asarray(X, jnp.float32)
        draw = jax.jit(
            jax.vmap(lambda k: _network(k, x, (width,) * 2, jnp.tanh, lambda z: 1 - jnp.tanh(z) ** 2, W2, B2).kernel)
        )
        parts = [draw(jax.random.split(key, 8192)) for key in jax.random.split(jax.random.key(3), count // 8192)]
        s = np.concatenate([np.asarray(part, np.float64) for part in parts])
    gram, cross = s[:, :2, :2] + NOISE * np.eye(2), s[:, 2:, :2]
    weights, back = (
        np.linalg.solve(gram, np.broadcast_to(Y, (len(s), 2, 2))),
        np.linalg.solve(gram, np.swapaxes(cross, 1, 2)),
    )
    means, covariances = cross @ weights, s[:, 2:, 2:] - cross @ back
    log_p = -np.einsum("no,sno->s", Y, weights) / 2 - np.linalg.slogdet(2 * np.pi * gram)[1]
    p = np.exp(log_p - log_p.max())
    w = p / p.sum()
    mean = np.einsum("s,smo->mo", w, means)
    covariance = np.einsum("s,smn->mn", w, covariances) + np.einsum("s,smo,sno->omn", w, means, means)
    error = np.sqrt(np.einsum("s,smo->mo", w**2, (means - mean) ** 2))
    return mean, covariance - np.einsum("mo,no->omn", mean, mean), np.log(p.mean()) + log_p.max(), error


@pytest.mark.slow
def test_corrections_of_finite_bayesian_networks():
    """Widths 8 and 16, 2^18 networks, seed 3: what the first order leaves falls as width^-2.

    The second order was found to be 0.33 / width^2 in the mean and covariance, 1.5 / width^2 in the evidence.
    """
    for width in (8, 16):
        found = posterior_correction(net(width), X[:2], Y, X[2:], noise=NOISE)
        mean, covariance, evidence, error = sampled(width, 2**18)
        left = abs(mean - np.array(found.mean) - np.array(found.mean_correction))
        assert (left < 0.5 / width**2 + 4 * error).all()
        left = abs(covariance - np.array(found.covariance) - np.array(found.covariance_correction))
        assert (left < 0.5 / width**2 + 4 * error.max()).all()
        first = float(np.array(found.log_marginal_likelihood_correction))
        assert abs(evidence - float(np.array(found.log_marginal_likelihood)) - first) < 2.5 / width**2
        assert abs(np.array(found.mean_correction)[0, 0]) > 5 * error[0, 0]  # the correction is seen


@pytest.mark.slow
def test_infinite_width_is_the_gaussian_process():
    found = posterior_correction(net(10), X[:2], Y, X[2:], noise=NOISE)
    expected = nl.posterior(nl.kernel(net(10)), X[:2], Y, noise=NOISE)
    assert abs(np.array(found.mean) - np.array(expected.mean(X[2:]))).max() < 1e-9
    assert abs(np.array(found.covariance) - np.array(expected.cov(X[2:]))).max() < 1e-9
    assert abs(float(np.array(found.log_marginal_likelihood)) - float(expected.log_marginal_likelihood)) < 1e-9


@pytest.mark.slow
def test_without_noise_training_data_are_reproduced():
    """At the training inputs of a noiseless network nothing is left to correct, but for the rounding."""
    found = posterior_correction(net(10), X[:2], Y)
    assert abs(np.array(found.mean) - Y).max() < 1e-12
    assert abs(np.array(found.mean_correction)).max() < 1e-11
    assert abs(np.array(found.covariance_correction)).max() < 1e-11


def test_bad_targets():
    with pytest.raises(ValueError, match="y must have shape"):
        posterior_correction(net(10), X, Y)
    with pytest.raises(ValueError, match="noise"):
        posterior_correction(net(10), X[:2], Y, noise=-1.0)
