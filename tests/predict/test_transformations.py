"""One `jit`, `grad` or `vmap` around any public function works; the same call works eagerly before and after."""

import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nnlimits as nl
from nnlimits.predict import log_marginal_likelihood


def posterior(kernel, x, y, z):
    posterior = nl.posterior(kernel, x, y, noise=0.1)
    loo = posterior.loo()
    evidence = posterior.log_marginal_likelihood, log_marginal_likelihood(kernel, x, y, noise=0.1)
    sample = posterior.sample(jax.random.key(0), z, 2)
    return (
        posterior.mean(z),
        posterior.cov(z),
        posterior.observation_std(z),
        sample,
        evidence,
        loo.mean,
        loo.log_density,
    )


def flow(kernel, x, y, z):
    flow = nl.gradient_flow(kernel, x, y, ridge=0.01)
    return (
        flow.mean(z),
        flow.mean(z, np.array([1.0, 2.0, np.inf])),
        flow.cov(z, 2.0),
        flow.std(z, 2.0),
        flow.train_loss(2.0),
    )


def last_layer(kernel, x, y, z):
    flow = nl.gradient_flow(kernel, x, y, train="last_layer", ridge=0.1)
    return flow.train(1.0), flow.train_loss(2.0), flow.std(z)


def descent(kernel, x, y, z):
    descent = nl.gradient_descent(kernel, x, y, learning_rate=0.1)
    heavy_ball = nl.momentum(kernel, x, y, learning_rate=0.1).mean(z, np.array([0, 3, 7]))
    return descent.cov(z, 7), heavy_ball, jnp.asarray(nl.max_learning_rate(kernel, x, 2, momentum=0.5))


def assert_all_close(found, expected, **tolerances):
    jax.tree.map(lambda f, e: np.testing.assert_allclose(f, e, **tolerances), found, expected)


SLOW = pytest.mark.slow  # most of the time compiles


@pytest.mark.slow
@pytest.mark.parametrize(
    "predict", [posterior, flow, pytest.param(descent, marks=SLOW), pytest.param(last_layer, marks=SLOW)]
)
def test_jit_of_all_and_of_nothing(kernel, data, predict):
    """Agreement to 1e-3 is float32's, multiplied by the condition of the matrices."""
    x, y, z = (a.astype(np.float32) for a in data)
    before = jax.tree.map(np.asarray, predict(kernel, x, y, z))
    assert_all_close(jax.jit(predict)(kernel, x, y, z), before, rtol=1e-3, atol=1e-3)
    known = jax.jit(lambda s: jax.tree.map(lambda a: s * a, predict(kernel, x, y, z)))
    assert_all_close(known(1.0), before, rtol=1e-6)
    assert_all_close(predict(kernel, x, y, z), before, rtol=0)


def test_jit_of_some(kernel, data):
    x, y, z = (a.astype(np.float32) for a in data)
    found = jax.jit(lambda y: nl.posterior(kernel, x, y, noise=0.1).std(z))(y)
    assert_all_close(found, nl.posterior(kernel, x, y, noise=0.1).std(z), rtol=1e-3)
    found = jax.jit(lambda noise: nl.posterior(kernel, x, y, noise=noise).mean(z))(0.1)
    assert_all_close(found, nl.posterior(kernel, x, y, noise=0.1).mean(z), rtol=1e-3, atol=1e-5)
    found = jax.jit(lambda rate, t: nl.gradient_flow(kernel, x, y, learning_rate=rate).mean(z, t))(0.1, 3.0)
    assert_all_close(found, nl.gradient_flow(kernel, x, y, learning_rate=0.1).mean(z, 3.0), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("make", [nl.posterior, pytest.param(nl.gradient_flow, marks=SLOW)])
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
@pytest.mark.slow
@pytest.mark.parametrize("predict", [posterior, flow, descent])
def test_gradients_in_the_inputs(kernel, data, predict):
    """Against central differences of the eager function, whose error at step 1e-6 is about 1e-8."""
    direction = np.random.default_rng(0).normal(size=data.x.shape)

    def value(s, x):
        outputs = jax.tree.leaves(predict(kernel, x + s * direction, data.y, data.x_test))
        return sum(i * a.sum() for i, a in enumerate(outputs, 1))

    numerical = (value(1e-6, data.x) - value(-1e-6, data.x)) / 2e-6
    np.testing.assert_allclose(jax.jit(jax.grad(value))(0.0, data.x), numerical, rtol=1e-5)


@pytest.mark.slow
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
