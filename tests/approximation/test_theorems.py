"""Theorems by name."""

import numpy as np
import pytest

from nnlimits import nn
from nnlimits.approximation import named_target
from nnlimits.approximation.size import size
from nnlimits.approximation.theorems import THEOREMS, approximate


def test_budgets_are_those_of_the_functions():
    for theorem in THEOREMS.values():
        assert "tolerance" in theorem.budgets
        assert theorem.budgets[1] == ("bits" if theorem.name == "minimum-width" else "units")


@pytest.mark.parametrize(
    ("theorem", "budget", "norm"),
    [
        pytest.param("yarotsky", {"tolerance": 1e-3}, "sup", marks=pytest.mark.slow),
        pytest.param("minimum-width", {"bits": 5}, "Lp", marks=pytest.mark.slow),
        pytest.param("shallow", {"units": 8}, "sup", marks=pytest.mark.slow),
        pytest.param("deep-narrow", {"tolerance": 0.1}, "sup", marks=pytest.mark.slow),
        pytest.param("orthogonal-greedy", {"units": 8}, "L2", marks=pytest.mark.slow),
    ],
)
def test_what_is_known_of_a_function_is_used(theorem, budget, norm):
    """All certificates of a function with constants are rigorous, and hold."""
    found = approximate(theorem, named_target("gaussian"), **budget)
    assert found.holds
    assert found.certificate.norm == norm
    assert found.certificate.rigorous
    counts = size(found)
    leaves = found.params[0]["weight"].shape
    assert counts.width >= leaves[1] / 2
    assert counts.nonzero <= counts.weights


@pytest.mark.slow
def test_jumps_of_named_functions():
    for name, dimension in (("step", 1), ("ball", 2)):
        found = approximate("minimum-width", named_target(name, dimension), bits=4)
        assert found.holds
        assert found.certificate.rigorous


@pytest.mark.parametrize(("dimension", "radius"), [(2, 0.05), (3, 0.2), (5, 0.4)])
def test_shells_around_jumps_are_as_small_as_claimed(dimension, radius):
    """By 400,000 points of the cube; the counts' standard error is below 0.1 % of the volume."""
    x = np.random.default_rng(0).uniform(-1, 1, (400_000, dimension))
    volume = 2.0**dimension
    ball, step = named_target("ball", dimension), named_target("step", dimension)
    shell = np.mean(np.abs(np.linalg.norm(x, axis=1) - 0.75) < radius) * volume
    slab = np.mean(np.abs(x.sum(1) - 0.25) / np.sqrt(dimension) < radius) * volume
    assert shell < 2 * radius * ball.jumps * 1.01
    assert slab < 2 * radius * step.jumps * 1.01


def test_bad_input():
    named = named_target("gaussian")
    with pytest.raises(ValueError, match=r"theorem must be one of shallow, barron, .*; received 'stone'"):
        approximate("stone", named, units=3)
    with pytest.raises(
        ValueError, match="the theorem yarotsky takes tolerance and units and lipschitz, and no activation"
    ):
        approximate("yarotsky", named, units=3, activation=nn.Tanh())
    with pytest.raises(ValueError, match="minimum-width needs exactly one of tolerance and bits"):
        approximate("minimum-width", named)
    with pytest.raises(ValueError, match="barron needs exactly one of tolerance and units"):
        approximate("barron", named, tolerance=0.1, units=4)
    with pytest.raises(ValueError, match="domain is needed"):
        approximate("barron", np.sin, units=4)
