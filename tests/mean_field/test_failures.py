"""What can go wrong where neurons move: every failure has a cause and a remedy in its message."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import mean_field, nn

X = np.linspace(-1, 1, 5)[:, None]
KEY = jax.random.key(0)


def product(outputs, targets):
    """A loss that has no lower bound: the more like its target, the better."""
    return -(outputs * targets).mean()


CUBES = mean_field.TwoLayer(nn.Elementwise(lambda t: t**3), 1)
ENDLESS = mean_field.EmpiricalRisk(CUBES, X, X[:, 0] ** 3, product)
TWO = mean_field.Neurons(np.array([[1.0, 0.5], [1.0, 1.0]]))


def test_an_explosion_is_timed():
    """`w' = 3 c a w^2, a' = c w^3` for `c = E[x^6]`, so `w^2 - 3 a^2` stays: from w = 1, a = 1/sqrt(3) it is zero,
    `w' = sqrt(3) c w^3`, and w is infinite at time `1 / (2 sqrt(3) c)`.
    """
    start = mean_field.Neurons(np.array([[1.0, 3**-0.5]]))
    time = 1 / (2 * 3**0.5 * np.mean(X**6))
    with pytest.raises(RuntimeError, match=r"neurons run away at time .*, before 9, .*degree 4.*give decay") as found:
        mean_field.flow(ENDLESS, start, [0.0, 9.0])
    assert float(str(found.value).split("time ")[1].split(",")[0]) == pytest.approx(time, rel=1e-5)


def test_descent_that_runs_away():
    with pytest.raises(RuntimeError, match=r"between times 0 and 40 .*neurons of degree 4, whose velocities grow"):
        mean_field.descent(ENDLESS, TWO, 1.0, [40])


@pytest.mark.slow
def test_langevin_that_runs_away():
    with pytest.raises(
        RuntimeError, match=r"between times 0 and 40 of langevin: step=1 is too large \(the largest stable"
    ):
        mean_field.langevin(ENDLESS, TWO, 0.1, 1.0, [40], KEY)


@pytest.mark.slow
def test_sgd_that_runs_away():
    def sampler(key, n):
        return jax.random.normal(key, (n, 1)), jnp.ones((n, 1))

    with pytest.raises(
        RuntimeError, match=r"neurons run away at step \d+ of sgd, where the longest has .* step=5 is too large"
    ):
        mean_field.sgd(CUBES, sampler, TWO, 5.0, [0, 30], KEY, risk=ENDLESS)


@pytest.mark.slow
def test_nan_in_the_examples_of_a_step():
    """Of the third and later: the key of a step is that of the run with the step's number."""
    risk, fresh = mean_field.EmpiricalRisk(mean_field.TwoLayer(nn.Tanh(), 1), X, X[:, 0]), jax.random.split(KEY)[1]
    third = jax.random.key_data(jax.random.fold_in(fresh, 2))

    def sampler(key, n):
        lost = (jax.random.key_data(key) == third).all()
        return jnp.where(lost, jnp.nan, jax.random.normal(key, (n, 1))), jnp.ones((n, 1))

    with pytest.raises(ValueError, match=r"at step 2 of sgd, x of the sampler contains nan at index \(0, 0\)"):
        mean_field.sgd(risk.units, sampler, TWO, 0.01, [0, 9], KEY, risk=risk)


def test_neurons_that_cannot_move():
    risk = mean_field.EmpiricalRisk(mean_field.TwoLayer(nn.Tanh(), 1), X, X[:, 0])
    nothing = mean_field.Neurons(np.zeros((2, 2)))
    with pytest.warns(RuntimeWarning, match=r"no neuron moved: .* the risk is 0\.25\..*gaussian\(risk\.units\.size\)"):
        mean_field.descent(risk, nothing, 0.1, [0, 5])
    silent = mean_field.EmpiricalRisk(risk.units, X, 0 * X[:, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        course = mean_field.descent(silent, nothing, 0.1, [0, 5])  # the target is zero, and is reached
        assert float(course.risks[-1]) == 0
    blind = mean_field.EmpiricalRisk(risk.units, 0 * X, X[:, 0])
    with pytest.warns(RuntimeWarning, match="all inputs are zero"):
        mean_field.descent(blind, TWO, 0.1, [0, 5])
    massless = mean_field.Neurons(TWO.positions, np.zeros(2))
    for run in (
        lambda: mean_field.flow(risk, massless, [1.0]),
        lambda: mean_field.descent(risk, massless, 0.1, [0, 1]),
        lambda: mean_field.sgd(
            risk.units, lambda key, n: (jnp.ones((n, 1)), jnp.ones((n, 1))), massless, 0.1, [0, 1], KEY, risk=risk
        ),
        lambda: mean_field.conic_flow(risk, massless, [1.0]),
    ):
        with pytest.raises(ValueError, match=r"masses are zero for all 2 neurons.*leave masses out"):
            run()


def test_a_law_of_one_point_under_two_names():
    with pytest.raises(ValueError, match="a law of one point"):
        mean_field.GaussianMixture(np.ones((2, 3)), 0.0)
    mean_field.GaussianMixture(np.array([[0.0], [1.0]]), 0.0)  # of two


@pytest.mark.slow
def test_masses_that_run_away_and_too_large_stochastic_steps():
    start = mean_field.Neurons(np.array([[1.0, 1.0], [1.0, -1.0]]))
    with pytest.raises(RuntimeError, match=r"neurons run away at time .*all a mass of .*e\+"):
        mean_field.conic_flow(ENDLESS, start, [0.0, 1e9])
    risk = mean_field.EmpiricalRisk(mean_field.TwoLayer(nn.Tanh(), 1), X, X[:, 0])
    steps = 20 * mean_field.largest_stable_step(risk, TWO)

    def sampler(key, n):
        x = jnp.asarray(X)[jax.random.randint(key, (n,), 0, 5)]
        return x, x

    with pytest.warns(RuntimeWarning, match=r"the risk grew from .* largest stable step at the start"):
        mean_field.sgd(risk.units, sampler, TWO, steps, [0, 20], KEY, risk=risk)
