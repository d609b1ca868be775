"""Curvature and sharpness without matrices, the phases that follow, and thresholds measured."""

import jax
import numpy as np
import pytest
from problems import linear_product, small

from nnlimits import datasets, nn, presets, training

pytest.importorskip("matfree")
lineax = pytest.importorskip("lineax")

KEY = jax.random.key(0)


@pytest.mark.parametrize("loss", ["mse", pytest.param("cross_entropy", marks=pytest.mark.slow)])
def test_eigenvalues_are_those_of_the_matrices(x64, loss):
    problem = small(loss)
    found = training.phases(problem, KEY)
    objective = problem.objective()
    product = jax.jit(jax.vmap(lambda v: objective.hessian_product(objective.theta, v)))
    hessian = product(np.eye(len(objective.theta)))
    assert found.sharpness == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-6)
    jacobian = jax.jit(jax.jacrev(lambda t: problem.f(objective.unflatten(t), problem.x).ravel()))(objective.theta)
    theta = np.asarray(jacobian @ jacobian.T)
    outputs = problem.f(problem.params, problem.x)
    in_outputs = np.asarray(jax.hessian(lambda f: problem.loss(f, problem.y))(outputs)).reshape(12, 12)
    assert found.curvature == pytest.approx(np.linalg.eigvals(theta @ in_outputs).real.max(), rel=1e-6)
    if loss == "mse":
        assert found.curvature == pytest.approx(np.linalg.eigvalsh(theta)[-1] / 12, rel=1e-6)
        assert found.lazy_below == pytest.approx(24 / np.linalg.eigvalsh(theta)[-1])


def test_operators_are_symmetric_and_give_the_same_eigenvalues(x64):
    problem = small()
    found = training.phases(problem, KEY)
    for operator, value in (
        (training.gauss_newton_operator(problem), found.curvature),
        (training.hessian_operator(problem), found.sharpness),
    ):
        matrix = np.stack([operator.mv(e) for e in np.eye(operator.in_size())])
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-14)
        assert np.linalg.eigvalsh(matrix)[-1] == pytest.approx(value, rel=1e-6)
        assert lineax.is_symmetric(operator)


def test_eigenvalues_do_not_depend_on_where_the_iteration_starts(x64):
    """The Gauss-Newton matrix has rank 12 in 58 dimensions: the iteration ends early, and what follows is rounding errors."""
    first = training.phases(small(), KEY)
    for seed in range(1, 6):
        np.testing.assert_allclose(training.phases(small(), jax.random.key(seed)), first, rtol=1e-6)


def test_phases_by_name():
    names = [training.phase(rate, 2.0) for rate in (0.99, 1.01, 1.99, 2.01)]
    assert names == ["lazy", "catapult", "catapult", "divergent"]
    assert training.Phases(2.0, 2.5).phase(1.5) == "catapult"
    with pytest.raises(ValueError, match="learning_rate must be finite and positive"):
        training.phase(-1.0, 2.0)


def test_a_network_that_does_not_depend_on_its_parameters():
    problem = training.Problem(lambda p, x: x + 0 * p, np.ones(()), np.ones((2, 1)), np.ones((2, 1)))
    with pytest.raises(ValueError, match="do the outputs depend on the parameters"):
        training.phases(problem, KEY)


def test_thresholds_beyond_the_range_and_bad_ranges():
    draw = np.random.default_rng(0).standard_normal((2, 3, 32)).astype(np.float32)
    params = (draw[0], draw[1])
    problem = linear_product(*draw[:, 0])
    low = training.measured_thresholds(problem, params, lowest=1e-3, highest=1e-2, steps=20)
    high = training.measured_thresholds(problem, params, lowest=1e3, highest=1e4, steps=20)
    np.testing.assert_array_equal(low, np.inf)
    np.testing.assert_array_equal(high, 0)
    with pytest.raises(ValueError, match="the ratio of highest and lowest"):
        training.measured_thresholds(problem, params, lowest=1.0, highest=0.5)


@pytest.mark.slow
def test_a_relu_network_on_digits_survives_beyond_the_linear_bound():
    """8 networks of width 256 on 200 digits: the kernel bound is where the loss begins to rise, and divergence comes at 8 to
    16 over the curvature (about 12, Lewkowycz et al. 2020, figure 4)."""
    digits, _ = datasets.digits(200)
    net = nn.Sequential(nn.Dense(256, w_std=2**0.5), nn.Relu(), nn.Dense(256, w_std=2**0.5), nn.Relu(), nn.Dense(10))
    seeds = [net.init(key, (64,)) for key in jax.random.split(KEY, 8)]
    problems = [training.Problem(net, params, digits.x, digits.targets) for params in seeds]
    curvature = np.array([training.phases(problem, KEY).curvature for problem in problems])
    params = jax.tree.map(lambda *leaves: np.stack(leaves), *seeds)
    found = training.measured_thresholds(
        problems[0], params, lowest=1 / curvature, highest=32 / curvature, steps=100, bisections=4
    )
    rise, divergence = found.rise * curvature, found.divergence * curvature
    assert ((rise > 1.8) & (rise < 4)).all()
    assert ((divergence > 8) & (divergence < 16)).all()


@pytest.mark.slow
def test_a_convolutional_network_is_catapulted_and_lands_where_it_is_flatter():
    """Two convolutions of 16 channels with ReLU, on 20 digits as images. The loss rises only above 2 / curvature (here 4.7: the
    catapult of so narrow a network ends early), and training survives beyond 4 (here to 15.5, from seed 1 to 31). At 6 over the
    first curvature, the last one is near 1.4 over the learning rate: below 2, where training is stable."""
    digits, _ = datasets.digits(20)
    net = presets.cnn(2, 16, b_std=0.0, outputs=10)
    x = digits.x.reshape(-1, 8, 8, 1)
    problem = training.Problem(net, net.init(KEY, x.shape[1:]), x, digits.targets)
    curvature = training.phases(problem, KEY).curvature
    params = jax.tree.map(lambda leaf: leaf[None], problem.params)
    found = training.measured_thresholds(
        problem, params, lowest=1 / curvature, highest=32 / curvature, steps=100, bisections=4
    )
    assert 2 < float(found.rise[0]) * curvature < 7
    assert 8 < float(found.divergence[0]) * curvature < 20
    rate = 6 / curvature
    early = training.descent(problem, rate, np.arange(20), observe=lambda params: ()).losses
    end = training.descent(problem, rate, [100])
    assert early.max() > 1.2 * early[0]
    assert end.losses[0] < 0.05 * early[0]
    trained = problem.with_params(jax.tree.map(lambda leaf: leaf[0], end.observed))
    assert 0.5 < training.phases(trained, KEY).curvature * rate < 2
