"""Advice on learning rates, and the first step layer by layer."""

import jax
import numpy as np
import pytest
from problems import NET, small

import nnlimits as nl
from nnlimits import nn, training

pytest.importorskip("matfree")
pytest.importorskip("lineax")

KEY = jax.random.key(1)


@pytest.mark.slow
def test_advice_says_what_other_functions_say(x64):
    problem = small()
    advice = training.learning_rate_advice(NET, problem.params, problem.x, problem.y, KEY, steps=20)
    phases = training.phases(problem, KEY)
    x = np.asarray(problem.x)
    assert advice["kernel"] == pytest.approx(2 / phases.curvature)
    assert advice["catapult end"] == pytest.approx(4 / phases.curvature)
    assert advice["hessian"] == pytest.approx(2 / phases.sharpness)
    assert advice["infinite kernel"] == pytest.approx(float(nl.max_learning_rate(nl.kernel(NET), x, 2)))
    for factor, rises in ((0.97, False), (1.03, True)):
        losses = training.descent(problem, factor * advice["measured rise"], np.arange(21)).losses
        assert (np.diff(losses).max() > 1e-3 * losses[0]) == rises
    assert advice["first step"] == min(layer.learning_rate for layer in advice.layers)
    text = str(advice)
    for name in ("kernel", "measured divergence", "Dense 0", "Dense 2", "lazy, stable training below"):
        assert name in text
    with pytest.raises(KeyError, match="there is no bound 'best'"):
        advice["best"]


def test_the_first_step_changes_layers_as_predicted(x64):
    """A step of 1e-5 moves each layer by its relative change, to the order of the step."""
    problem = small("cross_entropy")
    layers = training.first_step(NET, problem.params, problem.x, np.asarray(problem.y), loss="cross_entropy")
    moved = training.descent(problem, 1e-5, [1]).observed
    moved = jax.tree.map(lambda leaf: leaf[0], moved)
    assert [layer.layer for layer in layers] == ["Dense 0", "Dense 2"]
    for layer, depth in zip(layers, (1, 3), strict=True):
        part = nn.Sequential(*NET.layers[:depth])
        before, after = (part.apply(params[:depth], problem.x) for params in (problem.params, moved))
        change = np.sqrt(((after - before) ** 2).mean() / (before**2).mean()) / 1e-5
        assert layer.relative_change == pytest.approx(float(change), rel=1e-3)
    (outputs,) = training.first_step(NET.apply, problem.params, problem.x, np.asarray(problem.y), loss="cross_entropy")
    assert outputs.layer == "outputs"
    assert outputs.relative_change == pytest.approx(layers[1].relative_change)
