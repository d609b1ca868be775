"""Finite networks against their limit: which errors are of order 1/L + 1/M."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits.infinite_depth import mean_field_residual as residual
from nnlimits.infinite_depth.experiments.residual_rates import problem, residual_rates
from nnlimits.infinite_depth.mean_field_residual import convergence
from nnlimits.infinite_depth.mean_field_residual.convergence import _ends, _limit


@pytest.mark.slow
@pytest.mark.parametrize(("training", "accuracy"), [(residual.Training(), 1e-10), (residual.Training(0.2, 40), 1e-4)])
def test_the_limit_of_width_is_known(training, accuracy, x64):
    """64 labels an angle against 96: exponentially near at the start. Training makes the law less smooth; what is
    left is below the least root mean square error that is measured, 0.0011, and that of the risk below the least of it, 8e-5.
    """
    risk, law = problem()
    paths = residual.TorusPaths(law.unit)
    finer = jnp.asarray(paths.at_labels(jnp.asarray(paths.grid(96)), 8))
    (outputs, loss), (better, less) = (_ends(risk, law, one[None], training) for one in (_limit(paths, 8), finer))
    assert abs(outputs - better).max() < accuracy
    assert abs(loss - less).max() < accuracy / 20


@pytest.mark.parametrize(
    ("sizes", "draw", "promised"),
    [
        pytest.param(((4, 4), (4, 32)), residual.Paths.independent, -0.5, marks=pytest.mark.slow),
        pytest.param(((2, 4), (16, 4)), residual.Paths.independent, -0.5, marks=pytest.mark.slow),
        pytest.param(((2, 4), (16, 4)), residual.Paths.followed, 0.0, marks=pytest.mark.slow),
    ],
)
def test_independent_neurons_average_over_layers(sizes, draw, promised):
    """Root mean squares over 300 seeds at the start, slopes to 0.03 by the bootstrap: -1/2 in M; in L too, or not at all."""
    risk, law = problem()
    paths = residual.TorusPaths(law.unit)
    found = residual.width_errors(risk, law, paths, sizes, jax.random.key(0), draw=draw, seeds=300)
    assert abs(found.root_mean_square.slope - promised) < 0.08


@pytest.mark.slow
def test_rates_before_and_after_training():
    """All slopes with 95 % intervals of at most 0.2 about them; followed neurons after training are short of their limit of -1/2
    in the root mean square, as the bias of order 1/M is larger than the deviation at the first widths: between -1/2 and -1.
    """
    found = residual_rates((4, 8, 16, 32), (4, 8, 16, 32, 64), seeds=512)
    assert found.after.risk < 0.1 * found.before.risk
    for one in (found.before, found.after):
        for rate in one.depth.by_problem:
            assert abs(rate.slope + 1) < 0.06
        assert abs(one.width_independent.root_mean_square.slope + 0.5) < 0.06
        assert abs(one.width_independent.mean_square.slope + 1) < 0.12
        assert abs(one.layers_independent.root_mean_square.slope + 0.5) < 0.06
        assert abs(one.layers_followed.root_mean_square.slope) < 0.06
        assert abs(one.width_followed.expected_risk.slope + 1) < 0.2
    assert abs(found.before.width_followed.root_mean_square.slope + 0.5) < 0.06
    assert -0.75 < found.after.width_followed.root_mean_square.slope < -0.5
    assert abs(found.after.width_followed.bias.slope + 1) < 0.15


def test_bias_of_noise_is_noise():
    """Of 400 problems without bias, 64 seeds, 6 outputs: the square of the first scale's bias is that of a mean of 32 numbers
    of variance 1/6, to four of its standard errors, 0.28. Projected on its own direction it would be three times that.
    """
    draw = np.random.default_rng(0)
    problems = [
        residual.ResidualErrors(np.array([4.0, 8.0]), draw.standard_normal((2, 64, 6)), np.ones((2, 64)))
        for _ in range(400)
    ]
    found = [problem.bias for problem in problems]
    squares = np.mean([32 * 6 * rate.errors**2 for rate in found], 0)
    np.testing.assert_allclose(squares, [1, 1], atol=0.28)
    assert np.isnan([rate.slope for rate in found]).all()


def test_bias_is_found():
    """`1/M` in all six outputs under noise of 0.01, which is 0.01 / sqrt(6 500) of the mean: 0.0008 is more than four of it."""
    scales, noise = np.array([4.0, 8.0, 16.0]), np.random.default_rng(0).standard_normal((3, 1000, 6))
    rate = residual.ResidualErrors(scales, 1 / scales[:, None, None] + 0.01 * noise, np.ones((3, 1000))).bias
    np.testing.assert_allclose(rate.errors, 1 / scales, atol=0.0008)
    assert rate.low < -1 < rate.high
    few = residual.ResidualErrors(scales, noise[:, :3], np.ones((3, 3)))
    with pytest.raises(ValueError, match="a bias needs four or more seeds, half of them for its direction; received 3"):
        _ = few.bias


def test_the_limit_is_trained_once_for_each_number_of_layers(monkeypatch):
    """Of the networks handed to training, each limit is one of a single neuron here, drawn ones two seeds of M neurons."""
    risk, law = problem()
    paths, seen = residual.TorusPaths(law.unit), []

    def ends(risk, law, particles, training):
        seen.append(particles.shape[:3])
        return np.full((len(particles), 6), particles.shape[1]), np.zeros(len(particles))

    monkeypatch.setattr(convergence, "_ends", ends)
    monkeypatch.setattr(convergence, "_limit", lambda paths, layers: jnp.zeros((layers, 1, 7)))
    monkeypatch.setattr(convergence, "_draws", lambda draw, paths, keys, *sizes: jnp.zeros((len(keys), *sizes, 7)))
    by_width = residual.width_errors(risk, law, paths, [(4, 2), (4, 8), (4, 16)], jax.random.key(0), seeds=2)
    assert seen == [(2, 4, 2), (1, 4, 1), (2, 4, 8), (2, 4, 16)]
    seen.clear()
    by_layers = residual.width_errors(risk, law, paths, [(2, 3), (4, 3)], jax.random.key(0), seeds=2)
    assert seen == [(2, 2, 3), (1, 2, 1), (2, 4, 3), (1, 4, 1)]
    assert not by_width.outputs.any()
    assert not by_layers.outputs.any()  # each against the limit of as many layers


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r, w, p: residual.depth_errors(r, w, [p], [4]), "layers must be two or more whole numbers that ascend"),
        (
            lambda r, w, p: residual.width_errors(r, w, p, [(4, 4), (8, 8)], jax.random.key(0)),
            r"either L or M must be the same in all; received \[\(4, 4\), \(8, 8\)\]",
        ),
        (
            lambda r, w, p: residual.width_errors(r, w, p, [(4, 8), (4, 4)], jax.random.key(0)),
            "widths must be two or more whole numbers that ascend",
        ),
        (
            lambda r, w, p: residual.depth_errors(r, w, [p], [4, 8], residual.Training(-1.0, 2)),
            "the step of training must be finite and non-negative",
        ),
        (
            lambda r, w, p: residual.depth_errors(
                residual.ResidualRisk(r.x.astype(np.float32), r.y.astype(np.float32)), w, [p], [4, 8]
            ),
            "need data in double precision; received float32",
        ),
    ],
)
def test_bad_input(call, message):
    risk, law = problem()
    with pytest.raises(ValueError, match=message):
        call(risk, law, residual.TorusPaths(law.unit))


@pytest.mark.slow
def test_divergence_is_named():
    risk, law = problem()
    with pytest.raises(RuntimeError, match=r"steps of 1e\+200 diverges for networks of 8 layers and 4096 neurons"):
        residual.depth_errors(risk, law, [residual.TorusPaths(law.unit)], [2, 4], residual.Training(1e200, 4))
