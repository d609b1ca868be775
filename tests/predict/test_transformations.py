"""One `jit`, `grad` or `vmap` around any public function works; the same call works eagerly before and after."""

import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nnlimits as nl
from nnlimits.predict import log_marginal_likelihood

PREDICTIONS = {
    "posterior_mean": lambda k, x, y, z: nl.posterior(k, x, y, noise=0.1).mean(z),
    "posterior_cov": lambda k, x, y, z: nl.posterior(k, x, y, noise=0.1).cov(z),
    "posterior_std": lambda k, x, y, z: nl.posterior(k, x, y, noise=0.1).observation_std(z),
    "posterior_sample": lambda k, x, y, z: nl.posterior(k, x, y, noise=0.1).sample(jax.random.key(0), z, 2),
    "posterior_evidence": lambda k, x, y, z: nl.posterior(k, x, y, noise=0.1).log_marginal_likelihood,
    "leave_one_out": lambda k, x, y, z: nl.posterior(k, x, y, noise=0.1).loo().log_density,
    "log_marginal_likelihood": lambda k, x, y, z: log_marginal_likelihood(k, x, y, noise=0.1),
    "flow_mean": lambda k, x, y, z: nl.gradient_flow(k, x, y).mean(z),
    "flow_mean_times": lambda k, x, y, z: nl.gradient_flow(k, x, y).mean(z, np.array([1.0, 2.0, np.inf])),
    "flow_cov": lambda k, x, y, z: nl.gradient_flow(k, x, y).cov(z, 2.0),
    "flow_std": lambda k, x, y, z: nl.gradient_flow(k, x, y, ridge=0.1).std(z, np.array([1.0, 3.0])),
    "flow_loss": lambda k, x, y, z: nl.gradient_flow(k, x, y, train="last_layer", ridge=0.1).train_loss(2.0),
    "descent": lambda k, x, y, z: nl.gradient_descent(k, x, y, learning_rate=0.1).mean(z, 7),
    "momentum": lambda k, x, y, z: nl.momentum(k, x, y, learning_rate=0.1).std(z, 7),
    "max_learning_rate": lambda k, x, y, z: jnp.asarray(nl.max_learning_rate(k, x, 2, momentum=0.5)),
}


@pytest.mark.parametrize("predict", PREDICTIONS.values(), ids=PREDICTIONS)
def test_jit_of_all_and_of_some(kernel, data, predict):
    """Agreement to 1e-3 is float32's, multiplied by the condition of the matrices."""
    x, y, z = (a.astype(np.float32) for a in data)
    before = np.asarray(predict(kernel, x, y, z))
    np.testing.assert_allclose(jax.jit(predict)(kernel, x, y, z), before, rtol=1e-3, atol=1e-3)
    known = jax.jit(lambda s: s * predict(kernel, x, y, z))  # nothing of the prediction depends on what is traced
    np.testing.assert_allclose(known(1.0), before, rtol=1e-6)
    np.testing.assert_array_equal(predict(kernel, x, y, z), before)


def test_jit_of_the_targets_or_the_noise(kernel, data):
    x, y, z = (a.astype(np.float32) for a in data)
    for predict in (PREDICTIONS["posterior_std"], PREDICTIONS["flow_loss"]):
        np.testing.assert_allclose(
            jax.jit(lambda y, f=predict: f(kernel, x, y, z))(y), predict(kernel, x, y, z), rtol=1e-3
        )
    found = jax.jit(lambda noise: nl.posterior(kernel, x, y, noise=noise).mean(z))(0.1)
    np.testing.assert_allclose(found, nl.posterior(kernel, x, y, noise=0.1).mean(z), rtol=1e-3, atol=1e-5)
    found = jax.jit(lambda rate: nl.gradient_flow(kernel, x, y, learning_rate=rate).mean(z, 3.0))(0.1)
    np.testing.assert_allclose(
        found, nl.gradient_flow(kernel, x, y, learning_rate=0.1).mean(z, 3.0), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("make", [nl.posterior, nl.gradient_flow])
def test_a_prediction_made_outside_is_used_inside(kernel, data, make):
    x, y, z = (a.astype(np.float32) for a in data)
    prediction = make(kernel, x, y)
    eager = np.asarray(prediction.mean(z))
    np.testing.assert_allclose(jax.jit(prediction.mean)(z), eager, atol=1e-4)
    np.testing.assert_allclose(jax.jit(lambda p, z: p.mean(z))(prediction, z), eager, atol=1e-4)
    np.testing.assert_allclose(jax.vmap(lambda row: prediction.mean(row[None])[0])(jnp.asarray(z)), eager, atol=1e-4)
    made_inside = jax.jit(lambda x, y: make(kernel, x, y))(x, y)
    np.testing.assert_allclose(made_inside.mean(z), eager, atol=1e-4)
    np.testing.assert_allclose(made_inside.cov(z), prediction.cov(z), atol=1e-4)
    np.testing.assert_array_equal(prediction.mean(z), eager)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", ["posterior_mean", "leave_one_out", "flow_cov", "flow_loss", "descent"])
def test_gradients_in_the_inputs(kernel, data, name):
    """Against central differences of the eager function, whose error at step 1e-6 is about 1e-8."""
    direction = np.random.default_rng(0).normal(size=data.x.shape)

    def value(s, x):
        return PREDICTIONS[name](kernel, x + s * direction, data.y, data.x_test).sum()

    numerical = (value(1e-6, data.x) - value(-1e-6, data.x)) / 2e-6
    np.testing.assert_allclose(jax.jit(jax.grad(value))(0.0, data.x), numerical, rtol=1e-5)


@pytest.mark.usefixtures("x64")
def test_gradients_where_eigenvalues_coincide(kernel):
    """At the corners of a simplex the kernel has one eigenvalue many times over; eigenvectors have no derivative."""
    x, y = np.eye(6), np.arange(6.0)

    def value(s):
        return nl.gradient_flow(kernel, x * (1 + s * jnp.arange(6.0)), y).mean(x[:2] + 0.1, 3.0).sum()

    numerical = (value(1e-6) - value(-1e-6)) / 2e-6
    np.testing.assert_allclose(jax.jit(jax.grad(value))(0.0), numerical, rtol=1e-6)


def test_values_are_immutable_and_pickle(kernel, data, error):
    for prediction in (
        nl.posterior(kernel, data.x, data.y),
        nl.gradient_flow(kernel, data.x, data.y),
        nl.gradient_descent(kernel, data.x, data.y, learning_rate=0.1),
        nl.function_space_flow(kernel, data.x, data.y),
    ):
        assert isinstance(prediction, eqx.Module)
        with pytest.raises(AttributeError):
            prediction.kernel = None
        again = pickle.loads(pickle.dumps(prediction))
        at = () if hasattr(prediction, "noise") else (2,)
        assert error(again.mean(data.x_test, *at), prediction.mean(data.x_test, *at)) == 0
