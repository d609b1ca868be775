import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import softmax

import nnlimits as nl

TIMES = np.array([5.0, 0.0, 1.0, 20.0])


@pytest.mark.parametrize(("train", "vector"), [("all", False), ("last_layer", True)])
def test_squared_error_has_the_closed_form(kernel, data, error, train, vector):
    y = data.y[:, 0] if vector else data.y
    flow = nl.function_space_flow(kernel, data.x, y, train=train, learning_rate=1.3, tolerance=1e-9)
    exact = nl.gradient_flow(kernel, data.x, y, train=train, learning_rate=1.3)
    assert error(flow.mean(data.x_test, TIMES), exact.mean(data.x_test, TIMES)) < 1e-7
    assert error(flow.train(TIMES), exact.train(TIMES)) < 1e-7
    assert error(flow.train_loss(TIMES), exact.train_loss_of_mean(TIMES)) < 1e-7


def test_from_given_initial_outputs(kernel, data, error):
    rng = np.random.default_rng(1)
    f0, f0_test = rng.normal(size=(12, 2)), rng.normal(size=(5, 2))
    flow = nl.function_space_flow(kernel, data.x, data.y, f0=f0, tolerance=1e-9)
    exact = nl.gradient_flow(kernel, data.x, data.y, f0=f0)
    assert error(flow.train(2.0), exact.train(2.0)) < 1e-7
    assert error(flow.mean(data.x_test, 2.0, f0_test=f0_test), exact.mean(data.x_test, 2.0, f0_test=f0_test)) < 1e-7


def test_cross_entropy_against_scipy(kernel, data, error):
    """An independent integration of outputs at training and test inputs together, gradient written out."""
    labels = np.arange(12) % 3
    targets = np.eye(3)[labels]
    both = np.concatenate([data.x, data.x_test])
    theta = np.asarray(kernel.ntk(both, data.x))

    def slope(_, outputs):
        f = outputs.reshape(17, 3)[:12]
        return (-theta @ (softmax(f, 1) - targets) / 12).ravel()

    solution = solve_ivp(slope, (0, 20.0), np.zeros(51), rtol=1e-10, atol=1e-10, t_eval=np.sort(TIMES))
    expected = solution.y.T.reshape(4, 17, 3)[np.argsort(np.argsort(TIMES))]
    for y in (labels, targets):
        flow = nl.function_space_flow(kernel, data.x, y, loss="cross_entropy", tolerance=1e-9)
        assert error(flow.train(TIMES), expected[:, :12]) < 1e-7
        assert error(flow.mean(data.x_test, TIMES), expected[:, 12:]) < 1e-7
    losses = -np.log(softmax(expected[:, :12], -1))[:, np.arange(12), labels].mean(1)
    assert error(flow.train_loss(TIMES), losses) < 1e-7


@pytest.mark.slow
def test_any_loss(kernel, data, error):
    """A logistic loss on signs, by function; its minimizer's direction separates the classes."""
    y = np.sign(data.y[:, 0])
    flow = nl.function_space_flow(kernel, data.x, y, loss=lambda f, y: jnp.logaddexp(0.0, -f * y).mean())
    two = nl.function_space_flow(kernel, data.x, (y > 0).astype(int), loss="cross_entropy", learning_rate=0.5)
    logits = np.asarray(two.mean(data.x_test, 9.0))
    assert error(flow.mean(data.x_test, 9.0), logits[:, 1] - logits[:, 0]) < 1e-4
    assert (np.sign(flow.train(300.0)) == y).all()


@pytest.mark.slow
def test_integer_targets_and_more_outputs_than_targets(kernel, data):
    labels = np.arange(12) % 3

    def loss(f, y):
        return -jnp.take_along_axis(jax.nn.log_softmax(f), y[:, None], 1).mean()

    flow = nl.function_space_flow(kernel, data.x, labels, loss=loss, f0=np.zeros((12, 3)))
    named = nl.function_space_flow(kernel, data.x, labels, loss="cross_entropy")
    np.testing.assert_allclose(flow.train(3.0), named.train(3.0), atol=1e-8)


def predicted(kernel, x, y, z, t):
    return nl.function_space_flow(kernel, x, y, tolerance=1e-5).mean(z, t)


@pytest.mark.slow
def test_inside_a_jit(kernel, data):
    single = [a.astype(np.float32) for a in data]
    eager = predicted(kernel, *single, 3.0)
    np.testing.assert_allclose(jax.jit(predicted)(kernel, *single, 3.0), eager, atol=1e-4)
    np.testing.assert_allclose(jax.jit(lambda s: s * predicted(kernel, *single, 3.0))(1.0), eager, atol=1e-4)
    np.testing.assert_allclose(predicted(kernel, *single, 3.0), eager)


@pytest.mark.slow
def test_gradient_in_the_targets(kernel, data):
    single = [a.astype(np.float32) for a in data]

    def outputs(y):
        return predicted(kernel, single[0], y, single[2], 3.0)[0, 0]

    slope = jax.jit(jax.grad(outputs))(single[1])
    bump = np.zeros_like(single[1])
    bump[3, 0] = 0.5  # outputs are linear in the targets
    change = outputs(single[1] + bump) - outputs(single[1])
    np.testing.assert_allclose(slope[3, 0], change / 0.5, rtol=2e-2, atol=1e-4)


def test_errors(kernel, data):
    flow = nl.function_space_flow(kernel, data.x, data.y, max_steps=3)
    with pytest.raises(ValueError, match="finite times"):
        flow.mean(data.x_test)
    with pytest.raises(RuntimeError, match="3 steps of the solver did not reach time 100"):
        flow.mean(data.x_test, 100.0)
    for arguments, message in (
        ({"loss": "hinge"}, r"loss must be one of \['cross_entropy', 'mse'\]"),
        ({"loss": "cross_entropy"}, "each row of y must be one-hot"),
        ({"learning_rate": -1.0}, "learning_rate must be finite and positive"),
    ):
        with pytest.raises(ValueError, match=message):
            nl.function_space_flow(kernel, data.x, data.y, **arguments)
    with pytest.raises(TypeError, match="name or a function"):
        nl.function_space_flow(kernel, data.x, data.y, loss=3)
    with pytest.raises(ValueError, match="whole numbers from 0"):
        nl.function_space_flow(kernel, data.x, np.linspace(0, 1, 12), loss="cross_entropy")
    with pytest.raises(ValueError, match="at least two classes"):
        nl.function_space_flow(kernel, data.x, np.zeros(12, int), loss="cross_entropy")
