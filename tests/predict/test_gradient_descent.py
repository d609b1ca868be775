import math

import jax.numpy as jnp
import numpy as np
import pytest

import nnlimits as nl
from nnlimits.predict.gains import descent_gain


def simulate(kernel, data, rate, steps, momentum=0.0, ridge=0.0):
    """Weights of the linearized model, step by step: `params = params_0 + J(X)^T weights`, outputs `Theta weights`."""
    theta, theta_test = np.asarray(kernel.ntk(data.x)), np.asarray(kernel.ntk(data.x_test, data.x))
    added = ridge * theta.diagonal().mean()
    weights, velocity = np.zeros_like(data.y), np.zeros_like(data.y)
    for _ in range(steps):
        gradient = (theta @ weights - data.y + added * weights) / data.y.size
        velocity = momentum * velocity - rate * gradient
        weights = weights + velocity
    return theta @ weights, theta_test @ weights


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("steps", [0, 1, 2, 7, 300])
def test_equals_the_steps(kernel, data, error, steps, ridge):
    rate = 0.9 * nl.max_learning_rate(kernel, data.x, 2, ridge=ridge)
    descent = nl.gradient_descent(kernel, data.x, data.y, learning_rate=rate, ridge=ridge)
    train, test = simulate(kernel, data, rate, steps, ridge=ridge)
    assert error(descent.train(steps), train) < 1e-12
    assert error(descent.mean(data.x_test, steps), test) < 1e-12


def test_covariance_is_that_of_the_linear_map(kernel, data, error):
    """The covariance follows from the linear map from initial outputs to outputs after training."""
    x, y, z = data
    rate = 0.5 * nl.max_learning_rate(kernel, x, 2)
    theta, theta_zx = np.asarray(kernel.ntk(x)), np.asarray(kernel.ntk(z, x))
    power = np.linalg.matrix_power(np.eye(12) - rate * theta / y.size, 20)
    a = theta_zx @ np.linalg.solve(theta, np.eye(12) - power)
    joint = np.asarray(kernel.nngp(np.concatenate([z, x])))
    outputs = np.concatenate([np.eye(5), -a], 1)
    descent = nl.gradient_descent(kernel, x, y, learning_rate=rate)
    assert error(descent.cov(z, 20), outputs @ joint @ outputs.T) < 1e-12
    assert error(descent.std(z, 20), np.sqrt((outputs @ joint @ outputs.T).diagonal())) < 1e-12


def test_follows_the_flow_to_first_order_in_the_rate(kernel, data):
    flow = np.asarray(nl.gradient_flow(kernel, data.x, data.y).mean(data.x_test, 4.0))
    rates = 4.0 / np.array([40, 80, 160, 320])
    gaps = [
        abs(
            np.asarray(nl.gradient_descent(kernel, data.x, data.y, learning_rate=r).mean(data.x_test, round(4 / r)))
            - flow
        )
        for r in rates
    ]
    order = np.polyfit(np.log(rates), np.log([g.max() for g in gaps]), 1)[0]
    assert 0.95 < order < 1.05


def test_infinitely_many_steps(kernel, data, error):
    limit = nl.max_learning_rate(kernel, data.x, 2)
    descent = nl.gradient_descent(kernel, data.x, data.y, learning_rate=0.99 * limit)
    assert error(descent.mean(data.x_test), nl.gradient_flow(kernel, data.x, data.y).mean(data.x_test)) < 1e-13
    assert error(descent.mean(data.x_test, 10**7), descent.mean(data.x_test)) < 1e-9
    diverging = nl.gradient_descent(kernel, data.x, data.y, learning_rate=1.01 * limit)
    with pytest.raises(ValueError, match=r"diverges.*max_learning_rate"):
        diverging.mean(data.x_test, math.inf)
    assert np.isfinite(np.asarray(diverging.mean(data.x_test, 100))).all()
    with pytest.raises(ValueError, match="overflows"):
        diverging.mean(data.x_test, 10**7)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_largest_stable_rate_is_sharp(kernel, data, momentum):
    limit = nl.max_learning_rate(kernel, data.x, 2, momentum=momentum)
    for factor, stable in ((0.999, True), (1.001, False)):
        train = nl.momentum(kernel, data.x, data.y, learning_rate=factor * limit, momentum=momentum)
        late, later = (float(train.train_loss_of_mean(steps)) for steps in (2000, 4000))
        assert (later < max(late, 1e-20)) == stable  # below that, rounding alone is left


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("steps", [1, 5, 1000, 123_457])
def test_gain_of_descent_has_a_closed_form(steps):
    values = np.array([0.0, 1e-12, 1e-4, 0.3, 1.0, 1.7, 2.0])
    gain = np.asarray(descent_gain(jnp.asarray(values), steps, 1.0, 0.0))
    with np.errstate(divide="ignore"):
        stable = -np.expm1(steps * np.log1p(-values[1:5])) / values[1:5]
    expected = [steps, *stable, (1 - (-0.7) ** steps) / 1.7, (1 - (-1.0) ** steps) / 2]
    np.testing.assert_allclose(gain, expected, rtol=1e-9)


def test_steps_must_be_whole(kernel, data):
    descent = nl.gradient_descent(kernel, data.x, data.y, learning_rate=0.1)
    with pytest.raises(ValueError, match=r"received 2\.5, which is not a whole number"):
        descent.mean(data.x_test, 2.5)
