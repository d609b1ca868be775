"""Networks with several hidden layers: the limit equation, and finite networks that approach it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import mean_field, nn


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
    with pytest.raises(
        ValueError, match=r"2 hidden layers has 2 laws, 2 activations and 3 functions, .*received 1 act"
    ):
        mean_field.Embedding([GAUSSIAN, GAUSSIAN], [first, second, last], [nn.Erf()])
    with pytest.raises(ValueError, match=r"widths must be one for each of 2 hidden layers; received \(3,\)"):
        EMBEDDING.sample(jax.random.key(0), (3,))
    network = EMBEDDING.sample(jax.random.key(0), (3, 3))
    with pytest.raises(TypeError, match="mixed dtypes"):
        mean_field.layered_flow(network, X, Y, [1.0])
