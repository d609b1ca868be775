"""Multilayer perceptrons of the language as mean-field networks of several layers, and back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import mean_field, nn, training

X = np.random.default_rng(0).standard_normal((7, 3))
Y = np.random.default_rng(1).standard_normal((7, 2))


def perceptron(widths, activations, **options):
    """With biases of all layers but the first, scales that differ, and two outputs."""
    row = [
        part
        for i, (n, phi) in enumerate(zip(widths, activations, strict=True))
        for part in (nn.Dense(n, 1.3 + i, None if i == 0 and len(widths) > 1 else 0.7), phi)
    ]
    return nn.Sequential(nn.Sequential(*row[:2]), *row[2:], nn.Dense(2, 2.0, 0.5), parameterization="mean_field")


def trained(network, params, step, steps):
    """By the optimizer of the language."""
    transform = training.optimizer(network, X.shape[1:], "sgd", step)
    problem = training.Problem(network, params, X, Y)

    @jax.jit
    def moved(params):
        for _ in range(steps):
            updates, _ = transform.update(jax.grad(problem.value)(params), transform.init(params), params)
            params = jax.tree.map(jnp.add, params, updates)
        return network.apply(params, jnp.asarray(X))

    with problem.precision():
        return np.asarray(moved(params))


@pytest.mark.parametrize(
    "network",
    [
        perceptron((6, 4), (nn.Tanh(), nn.Relu())),
        *(
            pytest.param(perceptron(widths, phi), marks=pytest.mark.slow)
            for widths, phi in (
                ((6,), (nn.Tanh(),)),
                ((5, 8, 6), (nn.Tanh(), nn.Relu(), nn.Erf())),
                ((4, 5, 6, 3), (nn.Tanh(),) * 4),
            )
        ),
    ],
)
def test_both_ways_and_trained_alike(network):
    """The same functions and the same descent to rounding, for any widths, scales and biases; and a network made of them."""
    shapes, draw = jax.eval_shape(lambda key: network.init(key, (3,)), jax.random.key(0)), np.random.default_rng(2)
    params = jax.tree.map(lambda leaf: draw.standard_normal(leaf.shape), shapes)
    layered = mean_field.layered_of(network, params)
    again, its_params = mean_field.network_of(layered)
    expected = np.asarray(network.apply(params, X))
    np.testing.assert_allclose(layered(X), expected, rtol=1e-12)
    np.testing.assert_allclose(again.apply(its_params, X), expected, rtol=1e-12)
    course = mean_field.layered_descent(layered, X, Y, 0.05, [0, 3])
    after = np.asarray(course.at(layered, -1)(X))
    assert abs(after - expected).max() > 0.1
    np.testing.assert_allclose(trained(network, params, 0.05, 3), after, rtol=1e-9)


@pytest.mark.slow
def test_network_of_any_layered():
    """Rates of one, whatever the widths: scales of the network make up for them."""
    law = mean_field.gaussian(2)
    functions = [lambda a: jnp.tile(a, 2)[:3], lambda a, b: a @ b, lambda a: a]
    embedding = mean_field.Embedding([law, law], functions, [nn.Tanh(), nn.Tanh()], biases=[lambda a: a[1], None])
    layered = embedding.sample(jax.random.key(0), (4, 7), np.float64)
    network, params = mean_field.network_of(layered)
    assert network.layers[0].w_std == 3**0.5
    assert network.layers[2] == nn.Dense(7, (7 / 4) ** 0.5, None)
    np.testing.assert_allclose(network.apply(params, X), layered(X), rtol=1e-12)
    course = mean_field.layered_descent(layered, X, Y, 0.1, [4])
    np.testing.assert_allclose(trained(network, params, 0.1, 4), course.at(layered, -1)(X), rtol=1e-9)
    back = mean_field.layered_of(network, params)
    np.testing.assert_allclose(np.ravel(back.rates), np.ravel([(1, 1), (1, 0), (1, 0)]))


@pytest.mark.slow
def test_one_hidden_layer_is_two_layer():
    """The flow of the same neurons, by two solvers of tolerance 1e-8: outputs within a hundred of it."""
    network = nn.Sequential(nn.Dense(6, 1.5, 0.4), nn.Tanh(), nn.Dense(2, 1.2, None), parameterization="mean_field")
    params = network.init(jax.random.key(2), (3,), dtype=np.float64)
    units, _ = mean_field.two_layer(network, (3,))
    neurons, layered = mean_field.neurons_of(network, params), mean_field.layered_of(network, params)
    times = [0.0, 1.0, 5.0]
    expected = mean_field.flow(mean_field.EmpiricalRisk(units, X, Y), neurons, times, tolerance=1e-8)
    found = mean_field.layered_flow(layered, X, Y, times, tolerance=1e-8)
    np.testing.assert_allclose(found.risks, expected.risks, rtol=1e-6)
    with jax.enable_x64(True):
        np.testing.assert_allclose(found.at(layered, -1)(X), units.apply(expected.final, X), atol=1e-6)


@pytest.mark.slow
def test_embedding_of_the_language():
    """With many labels a finite network of the embedding has the moments that `init` draws; middle weights start at zero."""
    network = nn.Sequential(
        *(nn.Dense(4, 1.5, 0.5), nn.Tanh(), nn.Dense(4, 2.0, 0.25), nn.Tanh(), nn.Dense(2, 3.0, 0.1)),
        parameterization="mean_field",
    )
    embedding = mean_field.embedding_of(network, (3,), output_bias=[0.2, -0.3])
    sample = embedding.sample(jax.random.key(0), (4000, 4000))
    assert not np.asarray(sample.weights[1]).any()
    stds = [np.std(part) for part in (*sample.weights[::2], *sample.biases[:2])]
    np.testing.assert_allclose(stds, [1.5 / 3**0.5, 3.0, 0.5, 0.25], rtol=0.05)  # 0.011 for 4,000 draws of it
    np.testing.assert_allclose(sample.biases[2], [0.2, -0.3], rtol=1e-6)
    drawn = mean_field.layered_of(network, network.init(jax.random.key(0), (3,)))
    np.testing.assert_allclose(np.ravel(sample.rates), np.ravel(drawn.rates))


def circle(nodes):
    angles = 2 * np.pi * (np.arange(nodes) + 0.5) / nodes
    return np.stack([np.cos(angles), np.sin(angles)], 1), np.full(nodes, 1 / nodes)


LINE = np.linspace(-1.0, 1.0, 7)[:, None]
CURVE = np.sin(3 * LINE) / 2 + LINE**2


@pytest.mark.slow
def test_four_layers_approach_the_limit_as_the_root_of_the_width():
    """Root mean square errors of outputs over 64 networks of each of four widths: slopes have standard errors of 0.04, from the
    bootstrap, and 0.1 is 2.5 of these. The rule of the limit is exact to 1e-6 with 64 nodes, as functions on the circle are
    smooth.
    """

    def between(a, b):
        return 2 * jnp.sin(a @ b + 0.5) + b[1]

    functions = [lambda a: 2 * a[:1], between, between, lambda b: 2 * b[:1]]
    biases = [lambda a: 2 * a[1], lambda b: b[0] * b[1], lambda b: b[1] / 2]
    embedding = mean_field.Embedding(
        [mean_field.Sphere(2)] * 3, functions, [nn.Erf(), nn.Tanh(), nn.Erf()], biases=biases, output_bias=[0.1]
    )
    limits, times = [], [0.0, 2.0, 4.0]
    for nodes in (64, 96):
        labels, masses = circle(nodes)
        limit = embedding.at([labels] * 3, [masses] * 3)
        course = mean_field.layered_flow(limit, LINE, CURVE, times)
        limits.append(np.asarray(course.at(limit, -1)(LINE)))
    np.testing.assert_allclose(limits[0], limits[1], atol=1e-6)

    def draw(key, width):
        return embedding.sample(key, (width,) * 3)

    data = LINE.astype(np.float32), CURVE.astype(np.float32)
    found = mean_field.layered_convergence(draw, limit, *data, times, (32, 64, 128, 256), jax.random.key(0), seeds=64)
    rates = [found.rate(f"outputs at time {time:g}") for time in times]
    assert abs(limits[1] - np.asarray(limit(LINE))).max() > 10 * rates[-1].errors[-1]  # it has learned
    assert all(abs(rate.slope + 0.5) < 0.1 for rate in rates)


@pytest.mark.slow
def test_four_layers_of_the_language_approach_the_limit_at_least_as_fast():
    """From independent draws a bias of order 1/n is larger than what is of order n^(-1/2) at these widths: at time 4
    widths of 64, 256 and 1,024 had biases of 0.056, 0.0136, 0.0032 and standard deviations of 0.024, 0.0065, 0.0020.
    """
    row = (
        *(nn.Dense(8, 1.0, 0.7), nn.Erf(), nn.Dense(8, 1.5, 0.7), nn.Erf(), nn.Dense(8, 1.5, 0.7), nn.Erf()),
        nn.Dense(1, 1.5),
    )
    network, times = nn.Sequential(*row, parameterization="mean_field"), [0.0, 4.0]
    nodes = [mean_field.gauss_hermite(k, (1.0,) * n) for k, n in ((24, 2), (24, 1), (12, 2))]
    limit = mean_field.embedding_of(network, (1,)).at(*zip(*nodes, strict=True))

    def draw(key, width):
        wide = nn.with_width(network, width)
        return mean_field.layered_of(wide, wide.init(key, (1,), dtype=np.float64))

    found = mean_field.layered_convergence(draw, limit, LINE, CURVE, times, (32, 128), jax.random.key(0), seeds=8)
    rate = found.rate("outputs at time 4")
    assert rate.slope < -0.4
    assert rate.errors[-1] < 0.05 < 0.3 < np.ptp(CURVE)


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ((nn.Dense(3), nn.LayerNorm(), nn.Dense(2)), NotImplementedError, r"LayerNorm.* in the place 1 of the network"),
        ((nn.Dense(3), nn.Relu(), nn.Conv(2, 3)), NotImplementedError, r"Conv.* in the place 2 .*Dense would be taken"),
        ((nn.Dense(3), nn.Relu()), NotImplementedError, r"end in nn.Dense\(outputs\)"),
        ((nn.Dense(3),), NotImplementedError, "must have a hidden layer"),
        ((nn.Repeat(nn.Dense(3), 2), nn.Dense(1)), NotImplementedError, "Repeat.*write its blocks out"),
        (
            (nn.Dense(3), nn.Relu(), nn.Dense(3), nn.Relu(), nn.Dense(1)),
            NotImplementedError,
            r"the units of nn\.Dense.* where nn\.Relu\(\) has a kink",
        ),
        ((nn.Dense(3), nn.Relu(), nn.Dense(1, b_std=1.0)), ValueError, "give its start as output_bias"),
        ((nn.Dense(3), nn.Relu(), nn.Dense(1, b_std=None)), ValueError, "output_bias has no place"),
    ],
)
def test_bad_networks(layers, error, message):
    bias = [0.0] if "no place" in message else None
    with pytest.raises(error, match=message):
        mean_field.embedding_of(nn.Sequential(*layers, parameterization="mean_field"), (3,), output_bias=bias)


def test_bad_input():
    ntk, deep = nn.Sequential(nn.Dense(3), nn.Relu(), nn.Dense(1)), perceptron((3, 3), (nn.Erf(),) * 2)
    with pytest.raises(ValueError, match='parameterization="mean_field", in which layers average'):
        mean_field.layered_of(ntk, ntk.init(jax.random.key(0), (3,)))
    with pytest.raises(ValueError, match=r"flat example, such as \(10,\); received \(3, 3\)"):
        mean_field.embedding_of(deep, (3, 3), output_bias=[0.0, 0.0])
    with pytest.raises(ValueError, match=r"the shape \(2,\) of the outputs; received \(1,\)"):
        mean_field.embedding_of(deep, (3,), output_bias=[0.0])
    weights, masses = (np.ones((3, 2)), np.ones((2, 1))), (np.array([0.4, 0.6]),)
    with pytest.raises(ValueError, match=r"masses must be equal.*received masses from 0.4 to 0.6"):
        mean_field.network_of(mean_field.Layered(weights, masses, (nn.Tanh(),)))
    still = (mean_field.Rates(0.0), mean_field.Rates())
    with pytest.raises(ValueError, match="layer 0 of weights has the rate 0"):
        mean_field.network_of(mean_field.Layered(weights, (np.full(2, 0.5),), (nn.Tanh(),), rates=still))
