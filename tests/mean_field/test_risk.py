"""Risks and their first variation, from their definitions."""

import equinox as eqx
import jax
import numpy as np
import pytest

from nnlimits import mean_field, nn


def by_hand(units, neurons, x):
    w, b, a = np.split(np.asarray(neurons.positions), [3, 4], axis=1)
    return (np.tanh(x @ w.T + b[:, 0]) * np.asarray(neurons.masses)) @ a


def test_outputs_and_risk(units, risk, neurons):
    outputs = by_hand(units, neurons, risk.x)
    with jax.enable_x64(True):
        np.testing.assert_allclose(units.apply(neurons, risk.x), outputs, rtol=1e-12)
        np.testing.assert_allclose(
            mean_field.Units.apply(units, neurons, jax.numpy.asarray(risk.x)), outputs, rtol=1e-12
        )
        expected = ((outputs - risk.y) ** 2).mean() / 2
        expected += 0.005 * np.asarray(neurons.masses) @ (np.asarray(neurons.positions) ** 2).sum(1)
        np.testing.assert_allclose(risk(neurons), expected, rtol=1e-12)


def test_first_variation_is_the_derivative_in_the_measure(risk, neurons):
    """`R(rho + epsilon delta_theta)` by central differences, whose error is of the order of 1e-10."""
    theta, step = np.linspace(-1, 1, risk.units.size), 1e-5
    with jax.enable_x64(True):
        variation = risk.first_variation(neurons)(jax.numpy.asarray(theta[None]))

        def at(mass):
            positions = jax.numpy.concatenate([neurons.positions, theta[None]])
            masses = jax.numpy.concatenate([neurons.masses, jax.numpy.asarray([mass])])
            return jax.jit(lambda p, m: risk(_unchecked(neurons, p, m)))(positions, masses)

        np.testing.assert_allclose(variation[0], (at(step) - at(-step)) / (2 * step), rtol=1e-7)


def _unchecked(neurons, positions, masses):
    """With a negative mass, which no measure of neurons has."""
    leaves, structure = jax.tree.flatten(neurons)
    del leaves
    return jax.tree.unflatten(structure, [positions, masses])


def test_velocity_is_the_gradient_in_the_positions(risk, neurons):
    with jax.enable_x64(True):
        gradient = jax.grad(lambda p: risk(neurons.moved(p)))(jax.numpy.asarray(neurons.positions))
        expected = -gradient / neurons.masses[:, None]
        np.testing.assert_allclose(risk.velocity(neurons), expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    "options", [{"outputs": 2}, {"bias": True, "readout": False, "scales": (0.5, 2.0, 1.0)}], ids=str
)
def test_gradients_of_one_pass_are_those_of_each_neuron(options):
    """Against automatic differentiation of `sum over x of <pull(x), sigma(x; theta)>`, neuron by neuron."""
    units, rng = mean_field.TwoLayer(nn.Erf(), 3, **options), np.random.default_rng(0)
    positions, x, pull = (rng.standard_normal(shape) for shape in ((4, units.size), (5, 3), (5, units.outputs)))
    with jax.enable_x64(True):
        outputs, pullback = units.apply_and_pullback(mean_field.Neurons(positions), x)
        each = jax.vmap(jax.grad(lambda theta: (units.unit(theta, x) * pull).sum()))(jax.numpy.asarray(positions))
        np.testing.assert_allclose(outputs, np.mean([units.unit(theta, x) for theta in positions], 0), rtol=1e-12)
        np.testing.assert_allclose(pullback(jax.numpy.asarray(pull)), each, rtol=1e-12)


@pytest.mark.slow
def test_weights_give_the_risk_on_a_law_of_inputs():
    """A product rule of 60 nodes an axis against the closed form for standard normal inputs."""
    units = mean_field.TwoLayer(nn.Erf(), 2)
    teacher, student = (mean_field.gaussian(3).sample(jax.random.key(i), 3, np.float64) for i in range(2))
    x, weights = mean_field.gauss_hermite(60, (1.0, 1.0))
    with jax.enable_x64(True):
        risk = mean_field.EmpiricalRisk(units, x, units.apply(teacher, x), weights=weights)
        exact = mean_field.Teacher(units, teacher)
        of = eqx.filter_jit(lambda risk: (risk(student), risk.velocity(student)))
        for found, expected in zip(of(risk), of(exact), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_equal_weights_are_none(loss, neurons, units):
    x, y = np.random.default_rng(0).standard_normal((6, 3)), np.eye(2)[[0, 1, 1, 0, 1, 0]]
    plain = mean_field.EmpiricalRisk(units, x, y, loss)
    weighted = mean_field.EmpiricalRisk(units, x, y, loss, weights=np.full(6, 1 / 6))
    with jax.enable_x64(True):
        np.testing.assert_allclose(weighted(neurons), plain(neurons), rtol=1e-12)


def test_homogeneous_degrees():
    assert mean_field.TwoLayer(nn.Relu(), 3).degree == 2
    assert mean_field.TwoLayer(nn.Relu(), 3, bias=True, readout=False).degree == 1
    assert mean_field.TwoLayer(nn.RectifiedMonomial(2), 3).degree == 3
    assert mean_field.TwoLayer(nn.Tanh(), 3).degree is None
    assert mean_field.TwoLayer(nn.Step(), 3).degree in (None, 1)


def risks(degree, decay):
    """Of all kinds, for rectified neurons of a degree without and with the readout weight."""
    units = mean_field.TwoLayer(nn.Relu() if degree == 2 else nn.RectifiedMonomial(2), 2)
    x = np.random.default_rng(0).standard_normal((5, 2))
    neurons = mean_field.Neurons(np.random.default_rng(1).standard_normal((3, 3)))
    risk = mean_field.EmpiricalRisk(units, x, np.sin(x[:, 0]), decay=decay)
    yield risk, neurons
    yield mean_field.Confined(risk, quartic), neurons
    yield mean_field.Confined(risk, square, homogeneous=2), neurons
    if decay == 0:
        yield mean_field.ScaledRisk(risk, 3.0, neurons), neurons.moved(neurons.positions + 0.3)
        yield mean_field.Teacher(units, neurons), neurons.moved(neurons.positions + 0.3)
        yield mean_field.GaussianClasses(units, [(0.5, 1.0, 1.5), (0.5, -1.0, 0.5)]), neurons


def square(theta):
    return 0.3 * (theta**2).sum()


def quartic(theta):
    return (theta**2).sum() ** 2


DEGREES = [(2, 0.0, [2, None, 2, 2, 2, 2]), (2, 0.1, [2, None, 2]), (3, 0.0, [3, None, None, 3, 3, 3])]


@pytest.mark.parametrize(("degree", "decay", "expected"), DEGREES)
def test_degrees(degree, decay, expected):
    assert [risk.degree for risk, _ in risks(degree, decay)] == expected


@pytest.mark.slow
@pytest.mark.parametrize(("degree", "decay", "expected"), DEGREES)
def test_degree_is_that_of_the_first_variation(degree, decay, expected):
    """`V(2 theta) = 2^k V(theta)` where there is a degree, and no power of two where there is none."""
    del expected
    theta = np.random.default_rng(2).standard_normal((4, 3))
    with jax.enable_x64(True):
        for risk, neurons in risks(degree, decay):
            variation = risk.first_variation(neurons)
            powers = np.log2(np.abs(variation(jax.numpy.asarray(2 * theta)) / variation(jax.numpy.asarray(theta))))
            if risk.degree is None:
                assert np.ptp(powers) > 0.01
            else:
                np.testing.assert_allclose(powers, risk.degree, atol=1e-9)


def test_a_risk_without_a_degree(risk):
    assert risk.degree is None  # of tanh
    assert mean_field.EmpiricalRisk(mean_field.Radial(nn.Relu(), 4, 5.0), np.ones((2, 1)), np.ones(2)).degree is None
    with pytest.raises(ValueError, match="not homogeneous of degree 3: it goes from"):
        mean_field.Confined(risk, square, homogeneous=3)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": np.full((4, 3), np.nan)}, ValueError, "x contains nan at index"),
        ({"x": np.zeros((0, 3))}, ValueError, "x is empty"),
        ({"y": np.zeros(3)}, ValueError, "one target for each of the 4 examples; received 3"),
        ({"y": np.zeros((4, 3))}, ValueError, "y must have 2 columns"),
        ({"decay": -1.0}, ValueError, "decay must be finite and non-negative; received -1"),
        ({"weights": np.ones(3)}, ValueError, r"weights must be 4 numbers.*received shape \(3,\)"),
        ({"weights": np.array([1.0, -1, 1, 1])}, ValueError, "at least 0 and not all 0.*least -1"),
        ({"weights": np.array([1.0, np.nan, 1, 1])}, ValueError, "weights contains nan at index 1"),
        ({"loss": "hinge"}, ValueError, "loss"),
    ],
)
def test_bad_input(units, change, error, message):
    with pytest.raises(error, match=message):
        mean_field.EmpiricalRisk(**{"units": units, "x": np.zeros((4, 3)), "y": np.zeros((4, 2)), **change})


def test_bad_neurons(risk):
    with pytest.raises(ValueError, match="must have 6 parameters each"):
        mean_field.flow(risk, mean_field.Neurons(np.zeros((3, 5))), [1.0])
    with pytest.raises(ValueError, match="must not be negative; the smallest is -1"):
        mean_field.Neurons(np.zeros((2, 5)), np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match="positions contains inf"):
        mean_field.Neurons(np.full((2, 5), np.inf))
    with pytest.raises(ValueError, match="all the same"):
        mean_field.gaussian(5, 0.0)
