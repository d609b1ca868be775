"""Leave-one-out predictions against learning again without the example."""

import numpy as np
import pytest

import nnlimits as nl
from nnlimits import presets
from nnlimits.estimators.regimes import learn

KERNEL = nl.kernel(presets.mlp(depth=1))
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(14, 4)), RNG.normal(size=(14, 2))
NOISE = 0.2


def learned_without(i: int, regime: str, time: float):
    rest = np.delete(np.arange(len(X)), i)
    if regime == "bayesian":
        return learn(regime, KERNEL, X[rest], Y[rest], noise=NOISE, time=time)
    ridge = NOISE / np.asarray(KERNEL.diagonal(X[rest]).ntk).mean()  # the absolute ridge is what stays
    time = time * (len(X) - 1) / len(X)  # and the rate at which each example is learned
    flow = nl.gradient_flow(KERNEL, X[rest], Y[rest], ridge=ridge)
    full = learn(regime, KERNEL, X, Y, noise=NOISE, time=time)
    return type(full)(flow, time)


@pytest.mark.parametrize(
    ("regime", "time", "tolerance"),
    [
        ("bayesian", np.inf, 1e-9),
        ("trained", np.inf, 1e-9),
        ("trained", 1e7, 1e-6),
        # of first order: the example's own influence on the course of training is neglected
        ("trained", 5.0, 0.05),
    ],
)
def test_leave_one_out(regime, time, tolerance):
    found = learn(regime, KERNEL, X, Y, noise=NOISE, time=time).leave_one_out()
    for i in range(3):
        without = learned_without(i, regime, time)
        np.testing.assert_allclose(found.mean[i], without.mean(X[i : i + 1])[0], atol=tolerance)
        np.testing.assert_allclose(found.variance[i], without.std(X[i : i + 1])[0] ** 2, atol=tolerance)


def test_the_ridge_of_training_is_the_noise():
    flow = learn("trained", KERNEL, X, Y, noise=NOISE, time=np.inf).flow
    assert flow.ridge == pytest.approx(NOISE, rel=1e-12)


def test_log_marginal_likelihood_is_that_of_the_kernel_that_predicts():
    trained = learn("trained", KERNEL, X, Y, noise=NOISE, time=np.inf)
    covariance = np.asarray(KERNEL.ntk(X)) + NOISE * np.eye(len(X))
    log_determinant = np.linalg.slogdet(2 * np.pi * covariance)[1]
    expected = -((Y * np.linalg.solve(covariance, Y)).sum() + 2 * log_determinant) / 2
    assert trained.log_marginal_likelihood() == pytest.approx(expected, rel=1e-10)
