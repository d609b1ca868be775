"""Training many networks at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn
from nnlimits.training import train_ensemble, train_linearized_ensemble

KEYS = jax.random.split(jax.random.key(0), 3)


def data(dtype=np.float64):
    draw = np.random.default_rng(1).standard_normal
    return draw((6, 3)).astype(dtype), draw((6, 2)).astype(dtype), draw((4, 3)).astype(dtype)


@pytest.mark.slow
def test_equals_descent_written_out():
    x, y, x_test = data()
    net = nl.presets.mlp(depth=2, width=16, outputs=2)
    result = train_ensemble(net, KEYS, x, y, learning_rate=0.5, steps=[0, 2, 5], x_test=x_test)
    assert result.train.shape == (3, 3, 6, 2)
    assert result.test.shape == (3, 3, 4, 2)
    with jax.enable_x64(True):
        for seed, key in enumerate(KEYS):
            params = net.init(key, (3,), dtype=np.float64)
            gradient = jax.grad(lambda p: ((net.apply(p, x) - y) ** 2).sum() / (2 * y.size))
            for step in range(6):
                if step in (0, 2, 5):
                    np.testing.assert_allclose(
                        result.test[seed, [0, 2, 5].index(step)], net.apply(params, x_test), rtol=1e-9, atol=1e-12
                    )
                params = jax.tree.map(lambda p, g: p - 0.5 * g, params, gradient(params))


@pytest.mark.slow
def test_linearized_networks_follow_their_own_kernel():
    """Closed form: the residual is multiplied by I - rate Theta / N at each step, Theta the empirical kernel."""
    x, y, x_test = data()
    net = nl.presets.mlp(depth=1, width=16, activation=nn.Tanh(), outputs=2)
    result = train_linearized_ensemble(net, KEYS, x, y, learning_rate=0.3, steps=[7], x_test=x_test)
    with jax.enable_x64(True):
        for seed, key in enumerate(KEYS):
            params = net.init(key, (3,), dtype=np.float64)
            jacobian = jnp.concatenate(
                [leaf.reshape(12, -1) for leaf in jax.tree.leaves(jax.jacobian(net.apply)(params, x))], axis=1
            )
            residual = (net.apply(params, x) - y).reshape(-1)
            for _ in range(7):
                residual -= 0.3 * jacobian @ (jacobian.T @ residual) / 12
            np.testing.assert_allclose(result.train[seed, 0], residual.reshape(6, 2) + y, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_both_start_as_the_same_function_and_differ_later():
    x, y, x_test = data(np.float32)
    net = nl.presets.mlp(depth=2, width=16, outputs=2)
    options = {"learning_rate": 0.5, "steps": [0, 20], "x_test": x_test}
    network = train_ensemble(net, KEYS, x, y, **options)
    linearized = train_linearized_ensemble(net, KEYS, x, y, **options)
    assert network.test.dtype == np.float32
    np.testing.assert_allclose(network.test[:, 0], linearized.test[:, 0], rtol=1e-5, atol=1e-6)
    assert abs(network.test[:, 1] - linearized.test[:, 1]).max() > 1e-3


def test_networks_trained_one_after_another_are_those_trained_together(monkeypatch):
    x, y, x_test = data(np.float32)
    net = nl.presets.mlp(depth=1, width=8, outputs=2)
    options = {"learning_rate": 0.5, "steps": [10], "x_test": x_test}
    together = train_ensemble(net, KEYS, x, y, **options)
    monkeypatch.setattr("nnlimits.training.gradient_descent._TOGETHER", 1)
    np.testing.assert_allclose(train_ensemble(net, KEYS, x, y, **options).test, together.test, rtol=1e-4, atol=1e-5)


def test_images():
    draw = np.random.default_rng(1).standard_normal
    net = nn.Sequential(nn.Flatten(), nn.Dense(8), nn.Relu(), nn.Dense(1))
    result = train_ensemble(
        net, KEYS, draw((5, 2, 2)), draw((5, 1)), learning_rate=0.1, steps=[1], x_test=draw((2, 2, 2))
    )
    assert result.test.shape == (3, 1, 2, 1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"steps": [5, 2]}, "ascend"),
        ({"steps": [-1]}, "ascend"),
        ({"steps": ["5"]}, "whole numbers"),
        ({"steps": []}, "whole numbers"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": 1e6}, "max_learning_rate"),
        ({"y": np.full((6, 2), np.nan)}, "y contains nan"),
    ],
)
def test_bad_arguments(changed, message):
    x, y, x_test = data()
    arguments = {"x": x, "y": y, "learning_rate": 0.5, "steps": [200], "x_test": x_test} | changed
    with pytest.raises(ValueError, match=message):
        train_ensemble(nl.presets.mlp(depth=1, width=4, outputs=2), KEYS, **arguments)
