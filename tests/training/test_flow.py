"""Flows of finite networks, and the order at which discrete methods follow them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from problems import NET, flat, small

import nnlimits as nl
from nnlimits import training

END = 2.0
COUNTS = np.array([8, 16, 32, 64])


def end_of(trajectory):
    return np.asarray(trajectory.observed[-1])


@pytest.mark.parametrize("loss", ["mse", pytest.param("cross_entropy", marks=pytest.mark.slow)])
def test_descent_follows_the_flow_to_first_and_the_modified_flow_to_second_order(x64, loss):
    """Errors of the parameters at time 2, in the largest entry; the next order moves the fitted slope by 0.02."""
    problem = small(loss)
    flow = end_of(training.flow(problem, [END], tolerance=1e-12, observe=flat))
    first, second = [], []
    for count in COUNTS:
        reached = end_of(training.descent(problem, END / count, [count], observe=flat))
        modified = training.modified_flow(problem, END / count, [END], tolerance=1e-12, observe=flat)
        first.append(abs(reached - flow).max())
        second.append(abs(reached - end_of(modified)).max())
    assert training.order_of_error(END / COUNTS, first).slope == pytest.approx(1, abs=0.05)
    assert training.order_of_error(END / COUNTS, second).slope == pytest.approx(2, abs=0.05)


def test_momentum_follows_the_flow_of_a_larger_rate_to_first_order(x64):
    """At momentum 1/2, time runs twice as fast."""
    problem = small()
    flow = end_of(training.flow(problem, [END], tolerance=1e-12, observe=flat))
    errors = []
    for count in COUNTS * 4:
        reached = training.momentum(problem, END / count / 2, [count], momentum=0.5, observe=flat)
        errors.append(abs(end_of(reached) - flow).max())
    assert training.order_of_error(END / COUNTS, errors).slope == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_momentum_near_one_follows_the_flow_with_inertia(x64):
    """First order in the root of the rate, which is the step of the second-order equation."""
    problem, friction = small(), 1.5
    flow = end_of(training.inertial_flow(problem, friction, [END], tolerance=1e-12, observe=flat))
    steps = END / (8 * COUNTS)
    errors = [
        abs(end_of(training.momentum(problem, h**2, [round(END / h)], momentum=1 - friction * h, observe=flat)) - flow)
        for h in steps
    ]
    assert training.order_of_error(steps, [e.max() for e in errors]).slope == pytest.approx(1, abs=0.05)


def test_linear_model_has_the_closed_form(x64):
    """Least squares: the residual decays by the matrix exponential, and under descent by powers."""
    draw = np.random.default_rng(1)
    x, y, start = draw.standard_normal((7, 3)), draw.standard_normal((7, 1)), draw.standard_normal((3, 1))
    problem = training.Problem(_matmul, start, x, y)
    values, vectors = np.linalg.eigh(x.T @ x / 7)
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    times = np.array([0.0, 0.3, 2.0, 9.0])

    def towards(shrink):
        return best + vectors @ (shrink[:, None] * (vectors.T @ (start - best)))

    found = training.flow(problem, times, tolerance=1e-11)
    np.testing.assert_allclose(found.observed, [towards(np.exp(-values * t)) for t in times], rtol=1e-8)
    np.testing.assert_allclose(found.losses, [((x @ p - y) ** 2).mean() / 2 for p in found.observed], rtol=1e-12)
    modified = training.modified_flow(problem, 0.2, times, tolerance=1e-11)
    np.testing.assert_allclose(
        modified.observed, [towards(np.exp(-values * (1 + 0.1 * values) * t)) for t in times], rtol=1e-8
    )
    descended = training.descent(problem, 0.2, [0, 3, 50])
    np.testing.assert_allclose(descended.observed, [towards((1 - 0.2 * values) ** k) for k in (0, 3, 50)], rtol=1e-10)
    np.testing.assert_allclose(descended.times, [0, 0.6, 10])


def _matmul(params, x):
    return x @ params


@pytest.mark.slow
def test_descent_is_that_of_the_ensembles(x64):
    problem = small()
    x, y = np.asarray(problem.x), np.asarray(problem.y)
    keys = jax.random.key(0)[None]
    ensemble = training.train_ensemble(NET, keys, x, y, learning_rate=0.3, steps=[0, 7], x_test=x)
    found = training.descent(problem, 0.3, [0, 7], observe=lambda p: NET.apply(p, x))
    np.testing.assert_allclose(found.observed, ensemble.train[0], rtol=1e-12)


@pytest.mark.slow
def test_linearized_network_follows_the_closed_form_of_its_kernel(x64):
    """`nnlimits.gradient_flow` of the empirical kernel, against the flow of the parameters of the linearization."""
    problem = small()
    f = nl.empirical.linearize(problem.f, problem.params)
    found = training.flow(training.Problem(f, problem.params, problem.x, problem.y), [1.5], tolerance=1e-10)
    theta = np.asarray(nl.empirical.ntk(problem.f, problem.params, problem.x)).transpose(0, 2, 1, 3).reshape(12, 12)
    start, y = np.asarray(problem.f(problem.params, problem.x)).ravel(), np.asarray(problem.y).ravel()
    values, vectors = np.linalg.eigh(theta / 12)
    residual = vectors @ (np.exp(-1.5 * values) * (vectors.T @ (start - y)))
    assert found.losses[0] == pytest.approx(residual @ residual / 24, rel=1e-7)


def test_precision_is_that_of_the_parameters():
    """Without double precision switched on: float64 parameters are trained in it, float32 ones agree to their precision."""
    params = NET.init(jax.random.key(0), (3,), dtype=np.float64)
    x, y = np.random.default_rng(0).standard_normal((2, 6, 3))
    double, single = (training.Problem(NET, cast(params, t), x, y[:, :2]) for t in (np.float64, np.float32))
    for function in (
        lambda p: training.flow(p, [1.0], observe=flat),
        lambda p: training.descent(p, 0.1, [10], observe=flat),
    ):
        a, b = function(double).losses, function(single).losses
        assert (a.dtype, b.dtype) == (np.float64, np.float32)
        np.testing.assert_allclose(a, b, rtol=1e-5)


def cast(params, dtype):
    return jax.tree.map(lambda leaf: np.asarray(leaf, dtype), params)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: training.flow(p, [1.0, 0.5]), "times must be finite and ascend"),
        (lambda p: training.flow(p, [-1.0]), "must not be negative"),
        (lambda p: training.flow(p, [np.inf]), "times must be finite"),
        (lambda p: training.flow(p, [1.0], tolerance=0.0), "tolerance must be finite and positive"),
        (lambda p: training.modified_flow(p, -0.1, [1.0]), "learning_rate must be finite and positive"),
        (lambda p: training.inertial_flow(p, -0.1, [1.0]), "friction must be finite and non-negative"),
        (lambda p: training.descent(p, 0.0, [1]), "learning_rate must be finite and positive"),
        (lambda p: training.descent(p, 0.1, [2, 1]), "steps must ascend"),
        (lambda p: training.descent(p, 0.1, [0.5]), "whole numbers"),
        (lambda p: training.momentum(p, 0.1, [1], momentum=1.0), "momentum must lie in"),
    ],
)
def test_bad_arguments(x64, call, message):
    with pytest.raises(ValueError, match=message):
        call(small())


def test_a_loss_without_a_lower_bound_is_reported(x64):
    """`-params^3` runs away in finite time."""
    problem = training.Problem(lambda p, x: p * x, jnp.asarray(1.0), np.ones((1, 1)), np.zeros((1, 1)), _cubic)
    with pytest.raises(RuntimeError, match="no lower bound"):
        training.flow(problem, [2.0])


def _cubic(outputs, targets):
    return -((outputs - targets) ** 3).sum()
