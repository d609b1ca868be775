"""The experiments on ODE networks, as their commands show them."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.infinite_depth import experiments
from nnlimits.infinite_depth.experiments.adjoints import gradients_told
from nnlimits.infinite_depth.experiments.flow import steps_told
from nnlimits.infinite_depth.experiments.process_memory import process_memory


@pytest.mark.slow
def test_euler():
    """Errors of order 1/L and 1/L^2 have terms of the next order, a factor 1 + O(1/16) here; draws scatter the others."""
    told = []
    found = experiments.euler((16, 64, 256), seeds=4, advance=told.append)
    assert len(told) == 4
    assert found.rate("euler").slope == pytest.approx(-1, abs=0.06)
    assert found.rate("midpoint").slope == pytest.approx(-2, abs=0.1)
    for name, slope in (("smooth", 0), ("independent, scaled by 1/L", -0.5), ("independent, scaled by L^(-1/2)", 0)):
        assert found.movement(name).slope == pytest.approx(slope, abs=0.2), name


@pytest.mark.slow
def test_adjoints():
    """A gradient by checkpoints is that of the steps; the backward equation's is as exact as the tolerance."""
    told = []
    found = experiments.adjoints((1e-8,), (16, 256), advance=told.append)
    assert len(told) == gradients_told((1e-8,), (16, 256))
    assert all(difference < 1e-12 for difference in found.differences.values())
    assert all(errors[0] < 1e-6 for errors in found.errors.values())
    growth = {name: sizes[1] / sizes[0] for name, sizes in found.memory.items()}
    assert growth["residual network"] > 8  # of 16 times as many blocks, beside what does not grow
    assert growth["recursive checkpoints"] < 4
    assert growth["16 checkpoints"] < 1.5
    assert growth["backsolve"] < 1.02


def test_errors_are_of_the_methods_that_they_name(monkeypatch, x64):
    """With derivatives that are wrong by a factor of the method's own, relative errors are that factor less one."""
    factors = {"recursive_checkpoint": 1, "direct": 2, "backsolve": 4}

    def wrong(field, *, adjoint="recursive_checkpoint", **_):
        def apply(params, x):
            return factors[adjoint] * sum(
                (leaf - jax.lax.stop_gradient(leaf)).sum() for leaf in jax.tree.leaves(params)
            )

        return SimpleNamespace(apply=lambda params, x: apply(params, x)[None])

    monkeypatch.setattr(nn, "NeuralODE", wrong)
    module = importlib.import_module("nnlimits.infinite_depth.experiments.adjoints")
    found = module._errors((1e-4, 1e-6), 0, lambda message: None)
    np.testing.assert_allclose(found["direct"], [1, 1], rtol=1e-14)
    np.testing.assert_allclose(found["backsolve"], [3, 3], rtol=1e-14)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory where Linux tells it")
def test_memory_of_processes():
    """The compiled program's 158 states at 16 blocks and 1,195 at 128, and the backward equation's 12 at any number of steps."""
    stored = [process_memory("residual network", steps) for steps in (32, 256)]
    assert 4 < stored[1] / stored[0] < 9
    assert process_memory("backsolve", 256) < 60
    with pytest.raises(ValueError, match=r"name must be one of 'residual network', 'direct'.*; received 'none'"):
        process_memory("none", 4)


@pytest.mark.slow
def test_flow():
    told = []
    found = experiments.flow(300, width=32, examples=512, cells=40, advance=told.append)
    assert len(told) == steps_told(300)
    gain = found.flow - found.gaussian
    assert gain.mean() > 5 * gain.std() / len(gain) ** 0.5
    assert found.mass == pytest.approx(1, abs=0.02)


def test_two_moons():
    points = np.asarray(experiments.two_moons(jax.random.key(0), 4000))
    np.testing.assert_allclose(points.mean(0), 0, atol=0.06)  # four standard errors
    np.testing.assert_allclose(points.std(0), 1, atol=0.05)


@pytest.mark.parametrize(
    ("experiment", "arguments", "message"),
    [
        (experiments.euler, ((4,),), "depths must be two or more numbers of blocks that ascend"),
        (experiments.euler, ((8, 4),), r"to fit a rate; received \(8, 4\)"),
        (experiments.adjoints, ((0.0,),), "tolerances must be between 1e-12 and 1"),
        (experiments.adjoints, ((1e-6,), (16,)), "steps must be two or more whole numbers that ascend"),
        (experiments.flow, (0,), "steps must be an integer, at least 1; received 0"),
    ],
)
def test_bad_input(experiment, arguments, message):
    with pytest.raises(ValueError, match=message):
        experiment(*arguments)


def test_bad_numbers():
    with pytest.raises(ValueError, match="seeds must be at least 2"):
        experiments.euler(seeds=1)
    with pytest.raises(ValueError, match="learning_rate must be finite and positive"):
        experiments.flow(learning_rate=-1.0)
