import numpy as np
import pytest

import nnlimits as nl


def simulate(kernel, data, rate, steps, momentum):
    """Weights of the linearized model, `params = params_0 + J(X)^T weights`, by PyTorch's rule."""
    theta, theta_test = np.asarray(kernel.ntk(data.x)), np.asarray(kernel.ntk(data.x_test, data.x))
    weights, buffer = np.zeros_like(data.y), np.zeros_like(data.y)
    for _ in range(steps):
        buffer = momentum * buffer + (theta @ weights - data.y) / data.y.size
        weights = weights - rate * buffer
    return theta_test @ weights


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 50, 400])
def test_equals_the_steps(kernel, data, error, steps, momentum):
    rate = 0.9 * nl.max_learning_rate(kernel, data.x, 2, momentum=momentum)
    trained = nl.momentum(kernel, data.x, data.y, learning_rate=rate, momentum=momentum)
    assert error(trained.mean(data.x_test, steps), simulate(kernel, data, rate, steps, momentum)) < 1e-11


def test_at_critical_damping(kernel, data, error):
    """Where the two roots of an eigenvector's recursion coincide, `rate lambda / N = (1 - sqrt(momentum))^2`."""
    largest = np.linalg.eigvalsh(np.asarray(kernel.ntk(data.x)))[-1]
    rate = (1 - np.sqrt(0.9)) ** 2 * data.y.size / largest
    trained = nl.momentum(kernel, data.x, data.y, learning_rate=rate)
    assert error(trained.mean(data.x_test, 200), simulate(kernel, data, rate, 200, 0.9)) < 1e-11


def test_without_momentum_is_gradient_descent(kernel, data, error):
    rate = 0.5 * nl.max_learning_rate(kernel, data.x, 2)
    trained = nl.momentum(kernel, data.x, data.y, learning_rate=rate, momentum=0.0)
    descent = nl.gradient_descent(kernel, data.x, data.y, learning_rate=rate)
    assert error(trained.cov(data.x_test, 9), descent.cov(data.x_test, 9)) < 1e-15


def test_small_steps_follow_a_faster_flow(kernel, data):
    """The flow at the rate `learning_rate / (1 - momentum)`, to first order in the learning rate."""
    flow = np.asarray(nl.gradient_flow(kernel, data.x, data.y, learning_rate=10.0).mean(data.x_test, 1.0))
    gaps = []
    for steps in (2000, 4000, 8000):
        trained = nl.momentum(kernel, data.x, data.y, learning_rate=1 / steps, momentum=0.9)
        gaps.append(abs(np.asarray(trained.mean(data.x_test, steps)) - flow).max())
    assert 0.9 < np.log2(gaps[0] / gaps[1]) < 1.1
    assert 0.9 < np.log2(gaps[1] / gaps[2]) < 1.1


@pytest.mark.parametrize("momentum", [-0.1, 1.0, np.nan])
def test_momentum_must_be_a_fraction(kernel, data, momentum):
    with pytest.raises(ValueError, match=r"momentum must lie in \[0, 1\)"):
        nl.momentum(kernel, data.x, data.y, learning_rate=0.1, momentum=momentum)
