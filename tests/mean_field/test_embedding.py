"""Networks with several hidden layers: the limit equation, and finite networks that approach it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import mean_field, nn, training


def first(label):
    return 1.5 * label


def second(source, target):
    return 2 * jnp.sin(source @ target / 2) + target[1]


def last(label):
    return 2 * label[:1]


GAUSSIAN = mean_field.gaussian(2)
EMBEDDING = mean_field.Embedding([GAUSSIAN, GAUSSIAN], [first, second, last], [nn.Erf(), nn.Erf()])
X = np.random.default_rng(0).standard_normal((20, 2))
Y = np.sin(X[:, :1]) * X[:, 1:]


@pytest.mark.slow
def test_outputs_by_hand():
    network = EMBEDDING.sample(jax.random.key(0), (5, 4), np.float64)
    w1, w2, w3 = (np.asarray(w) for w in network.weights)
    erf = np.vectorize(__import__("math").erf)
    expected = erf(erf(X @ w1) @ w2 / 5) @ w3 / 4
    with jax.enable_x64(True):
        np.testing.assert_allclose(network(X), expected, rtol=1e-10)
        np.testing.assert_allclose(network.hidden(X)[0], erf(X @ w1), rtol=1e-12)


def test_is_the_training_of_a_finite_network_with_rates_of_its_widths():
    """`ABC` with the rates `n`, `n^2`, `n`, to rounding."""
    width, step = 6, 0.2
    exponents = nn.ABC((0, 0, -1), (1, 0, -2), (1, 0, -1), (0, 0, 0))
    network = nn.Sequential(
        nn.Dense(width, b_std=None), nn.Erf(), nn.Dense(width, b_std=None), nn.Erf(), nn.Dense(1, b_std=None),
        parameterization=exponents,
    )  # fmt: skip
    start = EMBEDDING.sample(jax.random.key(0), (width, width), np.float64)
    with jax.enable_x64(True):
        params = tuple({"weight": start.weights[i // 2]} if i % 2 == 0 else () for i in range(5))
        np.testing.assert_allclose(network.apply(params, X), start(X), rtol=1e-12)
        transform = training.optimizer(network, (2,), "sgd", step)
        problem = training.Problem(network, params, X, Y)
        state = transform.init(params)
        for _ in range(5):
            updates, state = transform.update(jax.grad(problem.value)(params), state, params)
            params = jax.tree.map(jnp.add, params, updates)
        course = mean_field.layered_descent(start, X, Y, step, [0, 5])
        np.testing.assert_allclose(course.at(start, -1)(X), network.apply(params, X), rtol=1e-9)


def limit(times):
    """The limit equation by a product rule with 900 labels a layer; 400 give outputs within 2e-3."""
    nodes, masses = mean_field.gauss_hermite(30, (1.0, 1.0))
    with jax.enable_x64(True):
        network = EMBEDDING.at([jnp.asarray(nodes)] * 2, [jnp.asarray(masses)] * 2)
        course = mean_field.layered_flow(network, X, Y, times)
        return np.stack([course.at(network, i)(X) for i in range(len(times))])


@pytest.mark.slow
def test_finite_networks_approach_the_limit_as_the_root_of_the_width():
    """Root mean square errors of outputs over 8 networks of each of four widths. The slope of each time has a standard error of
    about 0.08 (a quarter in each logarithm, over a range of three octaves).
    """
    times, widths = [0.0, 1.0, 4.0], (32, 64, 128, 256)
    expected, errors = limit(times), []
    for width in widths:
        squares = []
        for seed in range(8):
            network = EMBEDDING.sample(jax.random.key(seed), (width, width), np.float64)
            course = mean_field.layered_flow(network, X, Y, times, tolerance=1e-4)
            with jax.enable_x64(True):
                found = np.stack([course.at(network, i)(X) for i in range(3)])
            squares.append(((found - expected) ** 2).mean((1, 2)))
        errors.append(np.sqrt(np.mean(squares, axis=0)))
    slopes = np.polyfit(np.log(widths), np.log(errors), 1)[0]
    assert abs(slopes + 0.5).max() < 0.25
    assert abs(slopes.mean() + 0.5) < 0.15


def test_bad_input():
    with pytest.raises(ValueError, match="2 hidden layers has 2 laws, 2 activations and 3 functions; received 1"):
        mean_field.Embedding([GAUSSIAN, GAUSSIAN], [first, second, last], [nn.Erf()])
    with pytest.raises(ValueError, match=r"widths must be one for each of 2 hidden layers; received \(3,\)"):
        EMBEDDING.sample(jax.random.key(0), (3,))
    network = EMBEDDING.sample(jax.random.key(0), (3, 3))
    with pytest.raises(TypeError, match="mixed dtypes"):
        mean_field.layered_flow(network, X, Y, [1.0])
