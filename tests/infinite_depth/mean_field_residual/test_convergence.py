"""Finite networks against their limit: which errors are of order 1/L + 1/M."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits.infinite_depth import mean_field_residual as residual
from nnlimits.infinite_depth.experiments.residual_rates import problem, residual_rates
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
