"""Between lazy and mean-field training: the tangent kernel against the empirical NTK, rates in the scale of the output."""

import jax
import numpy as np
import pytest

from nnlimits import empirical, mean_field, nn
from nnlimits.mean_field import EmpiricalRisk, GaussianMixture, Neurons

ALPHAS = [30, 100, 300]


@pytest.fixture(scope="module")
def problem():
    """Twelve points of a smooth function in two dimensions."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, 2))
    return EmpiricalRisk(mean_field.TwoLayer(nn.Tanh(), 2), x, np.sin(2 * x[:, 0]) + 0.5 * x[:, 1])


@pytest.fixture(scope="module")
def start():
    """Readout weights with a mean of one: a law that is not symmetric."""
    law = GaussianMixture([0.0, 0.0, 1.0], [1.0, 1.0, 0.5])
    return law.sample(jax.random.key(0), 40, np.float64)


def test_tangent_kernel_is_the_empirical_ntk():
    width = 8
    network = nn.Sequential(
        nn.Dense(width, w_std=1.3, b_std=0.2),
        nn.Erf(),
        nn.Dense(1, w_std=0.7, b_std=None),
        parameterization="mean_field",
    )
    units, _ = mean_field.two_layer(network, (3,))
    x = np.random.default_rng(0).standard_normal((5, 3))
    with jax.enable_x64(True):
        params = network.init(jax.random.key(0), (3,), dtype=np.float64)
        neurons = mean_field.neurons_of(network, params)
        kernel = mean_field.tangent_kernel(units, neurons, x)
        np.testing.assert_allclose(kernel, width * empirical.ntk(network.apply, params, x)[..., 0, 0], rtol=1e-10)


def test_tangent_kernel_drives_the_outputs(risk, neurons):
    """Of two outputs the mean: against differences of the outputs' gradients."""
    x = np.asarray(risk.x)[:4]
    with jax.enable_x64(True):
        kernel = mean_field.tangent_kernel(risk.units, neurons, x)
        jacobian = np.asarray(jax.jacobian(lambda p: risk.units.apply(neurons.moved(p), x))(neurons.positions))
    weighed = jacobian / np.sqrt(np.asarray(neurons.masses))[:, None]
    np.testing.assert_allclose(kernel, np.einsum("xomp,yomp->xy", weighed, weighed) / 2, rtol=1e-10)


@pytest.mark.slow
def test_velocity_of_the_scaled_risk(problem, start):
    """Against differences of the risk itself: `-masses velocity` is its gradient in the positions."""
    with jax.enable_x64(True):
        scaled = mean_field.ScaledRisk(problem, 3.0, start)
        moved = start.moved(start.positions + 0.1)
        gradient = jax.grad(lambda p: scaled(start.moved(p)))(moved.positions)
        np.testing.assert_allclose(gradient, -scaled.velocity(moved) / len(start), rtol=1e-9, atol=1e-14)
        unscaled = np.mean(np.square(problem.y)) / 2 / 9
        assert float(scaled(start)) == pytest.approx(float(unscaled), rel=1e-12)


def slope(x, y):
    return np.diff(np.log(y)) / np.diff(np.log(x))


@pytest.mark.slow
def test_change_falls_as_the_inverse_of_the_scale(problem, start):
    """To first order in `1 / alpha`; the second, at alpha = 30, is of relative size a few over 30, and less at 300: so the last
    slope is within 0.02 of -1. Risks approach those of the linearization.
    """
    found = mean_field.lazy_training(problem, start, ALPHAS, [0.0, 3.0], test=(problem.x, problem.y[:, 0]))
    assert found.test_risks is not None
    np.testing.assert_allclose(found.test_risks, found.risks, rtol=1e-6)
    assert not found.weight_change[:, 0].any()
    for change in (found.weight_change, found.kernel_change):
        slopes = slope(found.alphas, change[:, 1])
        assert abs(slopes[-1] + 1) < 0.02
        assert abs(slopes + 1).max() < 0.15
    with jax.enable_x64(True):
        kernel = np.asarray(mean_field.tangent_kernel(problem.units, start, problem.x))
    values, vectors = np.linalg.eigh(kernel / 12)
    left = vectors @ (np.exp(-3.0 * values) * (vectors.T @ problem.y[:, 0]))
    np.testing.assert_allclose(found.risks[-1, 1], np.mean(left**2) / 2, rtol=0.01)


def test_symmetric_neurons_leave_the_kernel_alone_to_first_order(problem, start):
    """Each neuron with its negative: what one adds to the kernel at first order, the other takes off."""
    positions = np.asarray(start.positions)[:20]
    pairs = Neurons(np.concatenate([positions, positions * np.array([1.0, 1.0, -1.0])]))
    found = mean_field.lazy_training(problem, pairs, ALPHAS, [0.0, 3.0])
    assert abs(slope(ALPHAS, found.kernel_change[:, 1])[-1] + 2) < 0.05
    assert abs(slope(ALPHAS, found.weight_change[:, 1])[-1] + 1) < 0.02


def test_bad_input(problem, start):
    with pytest.raises(ValueError, match=r"give decay=0, received 0\.1"):
        mean_field.ScaledRisk(EmpiricalRisk(problem.units, problem.x, problem.y, decay=0.1), 1.0, start)
    with pytest.raises(ValueError, match="alpha must be finite and positive; received -1"):
        mean_field.lazy_training(problem, start, [-1.0], [1.0])
    with pytest.raises(ValueError, match="alphas must be a sequence"):
        mean_field.lazy_training(problem, start, [], [1.0])
