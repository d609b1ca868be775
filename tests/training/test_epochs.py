"""Training on batches with early stopping."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nnlimits import nn
from nnlimits.training import DivergenceError, train_in_epochs
from nnlimits.training.epochs import by_parts, mean_loss


def squares(params, x, y):
    return (x @ params["w"] + params["b"] - y) ** 2


START = {"w": jnp.zeros(3), "b": jnp.zeros(())}


def data(n, noise, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3)).astype(np.float32)
    return x, (x @ np.array([1.0, -2.0, 0.5]) + 0.3 + noise * rng.standard_normal(n)).astype(np.float32)


def test_finds_the_least_squares_solution():
    x, y = data(64, 0.0, 0)
    found = train_in_epochs(squares, START, (x, y), optax.adam(0.05), jax.random.key(0), epochs=200, batch_size=16)
    np.testing.assert_allclose(found.params["w"], [1.0, -2.0, 0.5], atol=1e-3)
    assert found.losses[-1] < 1e-6 < found.losses[0]
    assert found.held_out.size == 0


def test_the_parameters_are_those_of_the_best_epoch():
    """More features than examples: held-out examples are predicted worse from some epoch on."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((20, 40)).astype(np.float32), rng.standard_normal(20).astype(np.float32)
    held_out = x + 1.5 * rng.standard_normal(x.shape).astype(np.float32), y
    start = {"w": jnp.zeros(40), "b": jnp.zeros(())}
    found = train_in_epochs(
        squares, start, (x, y), optax.sgd(0.01), jax.random.key(0), held_out=held_out, epochs=300, patience=5
    )
    assert found.settled
    assert found.best == int(found.held_out.argmin()) == len(found.held_out) - 6
    assert mean_loss(squares, found.params, held_out) == pytest.approx(found.held_out[found.best], rel=1e-6)


def test_steps_are_those_of_the_optimizer_on_batches_of_the_epochs_order():
    """With one batch an epoch the order does not matter: the path is that of full gradient descent."""
    x, y = data(10, 0.1, 2)
    found = train_in_epochs(squares, START, (x, y), optax.sgd(0.1), jax.random.key(3), epochs=4, batch_size=10)
    w = START
    for _ in range(4):
        loss, g = jax.value_and_grad(lambda p: squares(p, x, y).mean())(w)
        w = jax.tree.map(lambda a, b: a - 0.1 * b, w, g)
    assert found.losses[-1] == pytest.approx(float(loss), rel=1e-5)
    np.testing.assert_allclose(found.params["w"], w["w"], rtol=1e-5)


def test_every_example_is_seen_once_an_epoch():
    """Each example moves its own parameter; after one epoch all have moved once."""

    def own(params, i):
        return params[i]

    found = train_in_epochs(
        own, jnp.zeros(12), (np.arange(12),), optax.sgd(4.0), jax.random.key(0), epochs=1, batch_size=4
    )
    np.testing.assert_allclose(found.params, -np.ones(12))


def test_a_penalty_is_added_to_the_loss():
    x, y = data(32, 0.0, 4)

    def ridge(params, batch, key):
        return 1.0 * jnp.sum(params["w"] ** 2)

    found = train_in_epochs(
        squares,
        START,
        (x, y),
        optax.adam(0.05),
        jax.random.key(0),
        penalty=ridge,
        epochs=400,
        batch_size=32,
        patience=400,
    )
    a = np.c_[x, np.ones(32)]
    exact = np.linalg.solve(a.T @ a / 32 + np.diag([1, 1, 1, 0]), a.T @ y / 32)
    np.testing.assert_allclose(found.params["w"], exact[:3], atol=2e-3)


def test_a_network_of_the_language_in_double_precision(x64):
    network = nn.Sequential(nn.Dense(8), nn.Tanh(), nn.Dense(1))
    params = network.init(jax.random.key(0), (3,), dtype=np.float64)
    x, y = (part.astype(np.float64) for part in data(32, 0.0, 5))

    def losses(params, x, y):
        return (network.apply(params, x)[:, 0] - y) ** 2

    told = []
    found = train_in_epochs(
        losses, params, (x, y), optax.adam(0.01), jax.random.key(0), epochs=3, batch_size=16, advance=told.append
    )
    assert all(leaf.dtype == np.float64 for leaf in jax.tree.leaves(found.params))
    assert len(told) == 3
    assert "epoch 3" in told[-1]


def test_parts_are_put_together_in_order():
    x = np.arange(2_500, dtype=np.float32)
    np.testing.assert_array_equal(by_parts(lambda p, v: p * v, jnp.asarray(2.0), (x,)), 2 * x)


def test_divergence_is_named_with_its_epoch():
    x, y = data(16, 0.0, 6)
    with pytest.raises(DivergenceError, match=r"training loss is (inf|nan) in epoch \d+.*lower the learning rate"):
        train_in_epochs(squares, START, (x, y), optax.sgd(1e3), jax.random.key(0), epochs=50)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be an integer, at least 1"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"patience": 0}, "patience must be"),
        ({"held_out": (np.ones((2, 3)), np.ones(3))}, r"held_out must be arrays .* lengths \[2, 3\]"),
    ],
)
def test_arguments_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        train_in_epochs(squares, START, data(4, 0.0, 0), optax.sgd(0.1), jax.random.key(0), **change)


def test_no_examples():
    with pytest.raises(ValueError, match="data must be arrays"):
        train_in_epochs(squares, START, (np.ones((0, 3)), np.ones(0)), optax.sgd(0.1), jax.random.key(0))
