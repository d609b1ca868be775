"""Flow and descent of neurons, against each other and against a finite network trained as such."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import mean_field, nn, training


def test_energy_is_dissipated(risk, neurons):
    course = mean_field.flow(risk, neurons, [0.0, 1.0, 20.0], tolerance=1e-9)
    assert course.risks[2] < course.risks[1] < course.risks[0]
    assert course.energy_gap.dtype == np.float64
    assert abs(np.asarray(course.energy_gap)).max() < 1e-6
    assert course.positions.dtype == np.float64
    np.testing.assert_array_equal(course.positions[0], neurons.positions)


@pytest.mark.slow
def test_descent_follows_the_flow_to_first_order(risk, neurons):
    end = mean_field.flow(risk, neurons, [2.0], tolerance=1e-10).positions[-1]
    errors = [
        abs(np.asarray(mean_field.descent(risk, neurons, 2.0 / n, [n]).positions[-1] - end)).max() for n in (40, 80)
    ]
    assert abs(np.log2(errors[0] / errors[1]) - 1) < 0.1


def test_is_the_training_of_a_finite_network():
    """Gradient descent on the parameters of a network in the mean-field parameterization, at `step * width`, to rounding."""
    width, step = 8, 0.3
    network = nn.Sequential(
        nn.Dense(width, w_std=1.3, b_std=0.2),
        nn.Erf(),
        nn.Dense(2, w_std=0.7, b_std=None),
        parameterization="mean_field",
    )
    units, _ = mean_field.two_layer(network, (3,))
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        params = network.init(jax.random.key(0), (3,), dtype=np.float64)
        x, y = rng.standard_normal((10, 3)), rng.standard_normal((10, 2))
        start = mean_field.neurons_of(network, params)
        np.testing.assert_allclose(units.apply(start, x), network.apply(params, x), rtol=1e-12)
        trained = training.descent(training.Problem(network, params, x, y), step * width, [0, 30])
        course = mean_field.descent(mean_field.EmpiricalRisk(units, x, y), start, step, [0, 30])
        np.testing.assert_allclose(course.risks, trained.losses, rtol=1e-10)
        last = jax.tree.map(lambda leaf: leaf[-1], trained.observed)
        np.testing.assert_allclose(course.final.positions, mean_field.neurons_of(network, last).positions, rtol=1e-9)
        again = mean_field.parameters_of(network, course.final)
        np.testing.assert_allclose(network.apply(again, x), network.apply(last, x), rtol=1e-9)


@pytest.mark.slow
def test_steps_that_are_too_large(risk, neurons):
    largest = mean_field.largest_stable_step(risk, neurons)
    hessian = _relative_hessian(risk, neurons)
    np.testing.assert_allclose(largest, 2 / np.linalg.eigvals(hessian).real.max(), rtol=0.02)
    with pytest.raises(RuntimeError, match=r"too large.*largest stable step"):
        mean_field.descent(risk, neurons, 30 * largest, [0, 1, 2, 40])


def _relative_hessian(risk, neurons):
    with jax.enable_x64(True):
        flat = jnp.asarray(neurons.positions).ravel()
        jacobian = jax.jacfwd(lambda p: -risk.velocity(neurons.moved(p.reshape(neurons.positions.shape))).ravel())
        return np.asarray(jacobian(flat))


def test_one_pass_sgd_in_single_precision(units):
    def sampler(key, n):
        x = jax.random.normal(key, (n, 3))
        return x, jnp.stack([jnp.sin(x[:, 0]), x[:, 1]], 1)

    start = mean_field.gaussian(units.size).sample(jax.random.key(0), 12)
    course = mean_field.sgd(units, sampler, start, 0.05, [0, 400], jax.random.key(1), batch_size=4)
    assert course.positions.dtype == np.float32
    assert course.risks[1] < 0.7 * course.risks[0]
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1; received 0"):
        mean_field.sgd(units, sampler, start, 0.05, [0, 1], jax.random.key(1), batch_size=0)


def test_bad_input(risk, neurons):
    with pytest.raises(ValueError, match="times must be finite and ascend"):
        mean_field.flow(risk, neurons, [1.0, 0.5])
    with pytest.raises(ValueError, match="step must be finite and positive; received 0"):
        mean_field.descent(risk, neurons, 0.0, [0, 1])
    with pytest.raises(NotImplementedError, match="one hidden layer"):
        mean_field.two_layer(nn.Sequential(nn.Dense(3), nn.Relu()), (2,))
    with pytest.raises(NotImplementedError, match="b_std=None"):
        mean_field.two_layer(nn.Sequential(nn.Dense(3), nn.Relu(), nn.Dense(1, b_std=0.1)), (2,))
