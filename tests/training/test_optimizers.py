"""Learning rates by parameterization: against the symmetry that leaves training unchanged, and step by step."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nnlimits import nn
from nnlimits.training import learning_rates, optimizer

LAYERS = (
    nn.Dense(6, 1.5, 0.2),
    nn.Tanh(),
    nn.ChannelAffine(),
    nn.Dense(5, b_std=None),
    nn.Tanh(),
    nn.Dense(2, 1.0, 0.1),
)
EXPONENTS = ((-0.3, 0.2, 0.4), (0.1, 0.4, -0.2), (0.5, 0.25, 0.1), (0.5, 0.0, 0.3))


def trained(parameterization, name, steps=3):
    """Outputs after full-batch training in float64, with a bias and a gain among the parameters."""
    draw = np.random.default_rng(0).standard_normal
    x, y = draw((4, 3)), draw((4, 2))
    net = nn.Sequential(*LAYERS, parameterization=parameterization)
    params = net.init(jax.random.key(0), (3,), dtype=np.float64)
    update = optimizer(net, (3,), name, 0.1, **({"eps": 0.0} if name == "adam" else {}))
    state = update.init(params)
    gradient = jax.jit(jax.grad(lambda p: jnp.square(net.apply(p, x) - y).mean()))
    for _ in range(steps):
        moves, state = update.update(gradient(params), state, params)
        params = optax.apply_updates(params, moves)
    return net.apply(params, x)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "factor"), [("sgd", 2), ("adam", 1)])
def test_shifts_of_the_exponents_leave_training_as_it_is(name, factor, x64):
    """(a + t, b - t, c - 2t) for gradient descent (Yang & Hu 2021, section 3), c - t for Adam; another t in every role.

    It holds at every width, so that equality is up to rounding. Without the change of c the outputs differ.
    """
    shifts = (0.7, -0.4, 0.3, 0.2)
    shifted = [(a + t, b - t, c - factor * t) for (a, b, c), t in zip(EXPONENTS, shifts, strict=True)]
    wrong = [(a + t, b - t, c) for (a, b, c), t in zip(EXPONENTS, shifts, strict=True)]
    expected = trained(nn.ABC(*EXPONENTS), name)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(trained(nn.ABC(*shifted), name), expected, rtol=1e-9, atol=1e-12)
    assert abs(trained(nn.ABC(*wrong), name) - expected).max() > 1e-3


def test_rates_of_mup_under_adam():
    net = nn.Sequential(*LAYERS, parameterization="mup")
    rates = learning_rates(net, (3,), "adam")
    first, gains, second, last = (rates[i] for i in (0, 2, 3, 5))
    np.testing.assert_allclose(first["weight"], (6 * 3) ** -0.5)
    np.testing.assert_allclose(first["bias"], 6**-0.5)
    np.testing.assert_allclose([gains["gain"], gains["offset"]], 6**-0.5)
    np.testing.assert_allclose(second["weight"], 1 / 6)
    np.testing.assert_allclose(last["weight"], 5**-0.5)
    np.testing.assert_allclose(last["bias"], 1)
    assert all((rate == 1).all() for rate in jax.tree.leaves(learning_rates(net, (3,))))


def test_rates_fit_the_parameters():
    net = nn.Sequential(nn.Conv(4, 3), nn.Repeat(nn.Sequential(nn.Conv(4, 3), nn.Relu()), 3), nn.Flatten(), nn.Dense(2))
    params = jax.eval_shape(lambda: net.init(jax.random.key(0), (4, 4, 3)))
    rates = learning_rates(net, (4, 4, 3), "adam")
    assert jax.tree.structure(params) == jax.tree.structure(rates)
    assert jax.tree.all(jax.tree.map(lambda p, r: np.broadcast_shapes(p.shape, r.shape) == p.shape, params, rates))
    assert rates[1]["tail"][0]["weight"].shape == (3, 1, 1, 1, 1)


def test_steps_of_gradient_descent_with_momentum_and_schedule():
    net = nn.Sequential(nn.Dense(4), nn.Dense(1), parameterization="mean_field")
    params = jax.tree.map(jnp.ones_like, net.init(jax.random.key(0), (3,)))
    update = optimizer(net, (3,), "sgd", lambda count: 0.5 / (1 + count), momentum=0.5)
    state = update.init(params)
    moves = []
    for _ in range(2):
        move, state = jax.jit(update.update)(params, state)
        moves.append([float(move[i]["weight"].ravel()[0]) for i in (0, 1)])
    np.testing.assert_allclose(moves, [[-0.5 * 4, -0.5 * 4], [-0.25 * 1.5 * 4, -0.25 * 1.5 * 4]])


def test_the_rate_can_be_traced():
    net = nn.Sequential(nn.Dense(4), nn.Dense(1), parameterization="mup")
    params = net.init(jax.random.key(0), (3,))

    @jax.jit
    def moved(rate):
        update = optimizer(net, (3,), "adam", rate)
        return update.update(jax.tree.map(jnp.ones_like, params), update.init(params))[0][0]["weight"]

    np.testing.assert_allclose(moved(0.1), -0.1 * 12**-0.5, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((nn.Dense(2), (3,), "lion", 0.1), ValueError, "optimizer must be one of 'sgd', 'adam'; received 'lion'"),
        ((nn.Dense(2), (3, 3), "sgd", 0.1), ValueError, "Dense expects a flat input"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        optimizer(*arguments)
