"""Densities carried along a differential equation."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from nnlimits import nn
from nnlimits.infinite_depth import ContinuousFlow

KEY = jax.random.key(0)
FIELD = nn.Sequential(nn.Dense(16, w_std=2.0, b_std=1.0), nn.Tanh(), nn.Dense(2, w_std=1.5))
FLOW = ContinuousFlow(nn.NeuralODE(FIELD, time_dependent=True, rtol=1e-6, atol=1e-6))


@pytest.fixture(scope="module")
def params():
    return FLOW.init(KEY, (2,))


def test_a_linear_field_gives_a_normal_law():
    """Of covariance `e^(A^T) e^A`, and of log determinant `trace(A)` times the span."""
    matrix = np.array([[0.5, 1.0, 0.0], [-0.3, -0.8, 0.2], [0.1, 0.0, 0.6]])
    flow = ContinuousFlow(nn.NeuralODE(nn.Dense(3, w_std=3**0.5, b_std=None), span=(0.0, 1.5)))
    x = np.random.default_rng(0).standard_normal((5, 3))
    found = flow.density({"weight": matrix}, x)
    whole = scipy.linalg.expm(1.5 * matrix)
    expected = scipy.stats.multivariate_normal(np.zeros(3), whole.T @ whole).logpdf(x)
    np.testing.assert_allclose(found.log_density, expected, atol=1e-6)  # a hundred times the tolerance of float64
    np.testing.assert_allclose(found.origin, x @ np.linalg.inv(whole), atol=1e-6)


@pytest.mark.slow
def test_against_the_change_of_variables(params):
    """`log |det|` of the Jacobian of the flow's inverse, found by differentiating the solver's steps."""
    x = jax.random.normal(KEY, (4, 2))
    found = jax.jit(FLOW.density)(params, x)
    inverse = jax.jit(jax.vmap(jax.jacrev(lambda x: FLOW.ode.inverse(params, x[None])[0])))
    expected = jax.scipy.stats.norm.logpdf(found.origin).sum(-1) + jnp.linalg.slogdet(inverse(x))[1]
    np.testing.assert_allclose(found.log_density, expected, atol=1e-4)  # ten steps of the tolerance, and float32
    np.testing.assert_allclose(FLOW.ode.apply(params, found.origin), x, atol=1e-4)


@pytest.mark.slow
def test_the_density_integrates_to_one_and_is_that_of_samples(params):
    """The midpoint rule on cells of 0.05; the entropy is the mean of samples, to three of its standard errors."""
    log_density = jax.jit(FLOW.log_density)
    middles = np.arange(-9.975, 10, 0.05)
    grid = np.stack(np.meshgrid(middles, middles), -1).reshape(-1, 2).astype(np.float32)
    values = np.asarray(log_density(params, grid), np.float64)
    density = np.exp(values) * 0.05**2
    assert density.sum() == pytest.approx(1, abs=1e-3)
    drawn = np.asarray(log_density(params, FLOW.sample(params, jax.random.key(1), 4000, (2,))))
    assert abs(drawn.mean() - (density * values).sum()) < 3 * drawn.std() / 4000**0.5


@pytest.mark.slow
@pytest.mark.parametrize("probes", ["rademacher", "gaussian"])
def test_estimates_are_unbiased(params, probes):
    """The mean of 400 independent estimates, to four standard errors, at each of three points."""
    x = jax.random.normal(KEY, (3, 2))
    exact = FLOW.log_density(params, x)
    keys = jax.random.split(jax.random.key(2), 400)
    one = lambda key: FLOW.estimated_log_density(params, x, key, probes=probes)  # noqa: E731
    found = np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys))(keys))
    assert np.all(np.abs(found.mean(0) - exact) < 4 * found.std(0) / 20 + 1e-4)
    assert found.std(0).min() > 1e-3


def test_bad_arguments(params):
    with pytest.raises(ValueError, match="ode must have augment=0"):
        ContinuousFlow(nn.NeuralODE(nn.Dense(3), augment=1))
    with pytest.raises(ValueError, match=r"explicit solver, such as 'tsit5'; received solver='kvaerno5'"):
        ContinuousFlow(nn.NeuralODE(nn.Dense(3), solver="kvaerno5"))
    with pytest.raises(TypeError, match=r"ode must be an nn.NeuralODE"):
        ContinuousFlow(nn.Dense(3))
    with pytest.raises(ValueError, match="probes must be 'rademacher' or 'gaussian'; received 'sphere'"):
        FLOW.estimated_log_density(params, np.ones((1, 2)), KEY, probes="sphere")
    with pytest.raises(ValueError, match="samples must be an integer, at least 1"):
        FLOW.estimated_log_density(params, np.ones((1, 2)), KEY, samples=0)
    with pytest.raises(ValueError, match="n must be an integer, at least 1"):
        FLOW.sample(params, KEY, 0, (2,))
    for shape, error in ((2, TypeError), ((2.5,), TypeError), ((0,), ValueError)):
        with pytest.raises(error, match="shape"):
            inspect.unwrap(ContinuousFlow.sample)(FLOW, params, KEY, 3, shape)
