"""Every function of `training` that returns arrays, in single and in double precision: results are of the precision of the data.

Both in the harder setting of JAX's configuration: float64 data without double precision switched on, float32 data with it.
(`test_flow.py` has the flow and descent of a network, `test_central_flow.py` the central flow.)
"""

import jax
import numpy as np
import pytest

from nnlimits import nn, training

KEY = jax.random.key(0)
NET = nn.Sequential(nn.Dense(4), nn.Dense(1))


def matmul(params, x):
    return x @ params


def arrays(dtype):
    draw = np.random.default_rng(0)
    return [draw.standard_normal(shape).astype(dtype) for shape in ((6, 3), (6, 1), (3, 1))]


def problem(dtype):
    x, y, start = arrays(dtype)
    return training.Problem(matmul, start, x, y)


def ensemble(train, dtype):
    x, y, _ = arrays(dtype)
    return train(NET, KEY[None], x, y, learning_rate=0.1, steps=[2], x_test=x)


def preactivations(dtype):
    x = arrays(dtype)[0]
    return training.preactivations(NET, NET.init(KEY, (3,), dtype=dtype), x)


def step_of_adam(dtype):
    """Optax leaves the configuration of JAX to who calls it."""
    with jax.enable_x64(True):
        params = NET.init(KEY, (3,), dtype=dtype)
        update = training.optimizer(NET, (3,), "adam", 0.1)
        return update.update(jax.tree.map(jax.numpy.ones_like, params), update.init(params), params)[0]


def thresholds(dtype):
    start = arrays(dtype)[2]
    return training.measured_thresholds(problem(dtype), start[None], lowest=0.1, highest=30.0, steps=5, bisections=8)


def complementarity(dtype):
    return training.semidefinite_complementarity(np.asarray([[-1]], dtype), np.asarray([[[[2]]]], dtype))


def linear_catapult(dtype):
    two = np.eye(2, dtype=dtype)
    return training.linear_catapult(two[0], two, dtype(1), two, 0 * two[0], 0.5, 10, 5)


def product(operator, dtype):
    with jax.enable_x64(dtype == np.float64 or jax.config.jax_enable_x64):
        return operator(problem(dtype)).mv(jax.numpy.asarray(arrays(dtype)[2].ravel()))


CASES = {
    "catapult": lambda t: training.catapult(t(0.5), t(2.0), t(1.2), 10, 5),
    "complementarity": complementarity,
    "hessian": lambda t: product(training.hessian_operator, t),
    "sgd": lambda t: training.sgd(problem(t), 0.1, [0, 3], KEY),
    "preactivations": preactivations,
}
LONG = {
    "thresholds": thresholds,
    "track_sharpness": lambda t: training.track_sharpness(problem(t), 0.1, 2, KEY)[2:],
    "momentum": lambda t: training.momentum(problem(t), 0.1, [0, 3]),
    "gauss_newton": lambda t: product(training.gauss_newton_operator, t),
    "linear_catapult": linear_catapult,
    "central_flow": lambda t: training.central_flow(problem(t), 0.1, 2, KEY)[2:],
    "sgd_flow": lambda t: training.sgd_flow(problem(t), 0.1, [0, 3], KEY),
    "modified_sgd_flow": lambda t: training.modified_sgd_flow(problem(t), 0.1, [0, 3], KEY),
    "modified_flow": lambda t: training.modified_flow(problem(t), 0.1, [1.0]),
    "inertial_flow": lambda t: training.inertial_flow(problem(t), 0.1, [1.0]),
    "train_ensemble": lambda t: ensemble(training.train_ensemble, t),
    "train_linearized_ensemble": lambda t: ensemble(training.train_linearized_ensemble, t),
    "optimizer": step_of_adam,
}
DRAWN = ("sgd", "sgd_flow", "modified_sgd_flow", "preactivations", "train_ensemble", "train_linearized_ensemble")
"""Random numbers differ between precisions."""


@pytest.mark.parametrize("name", [*CASES, *(pytest.param(name, marks=pytest.mark.slow) for name in LONG)])
def test_results_are_of_the_precision_of_the_data(name):
    """What single precision loses is its rounding error of 1e-7, times the number of steps and the condition of the problem;
    for thresholds, where a bisection may turn the other way, 300^(1/16/256), the width of the last bracket."""
    pytest.importorskip("matfree")
    pytest.importorskip("lineax")
    pytest.importorskip("optax")
    function = (CASES | LONG)[name]
    double = jax.tree.leaves(function(np.float64))
    with jax.enable_x64(True):
        single = jax.tree.leaves(function(np.float32))
    assert {leaf.dtype for leaf in double} == {np.dtype(np.float64)}
    assert {leaf.dtype for leaf in single} == {np.dtype(np.float32)}
    if name not in DRAWN:
        for a, b in zip(single, double, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-3 if name == "thresholds" else 1e-4, atol=1e-5)
