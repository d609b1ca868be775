"""Greedy networks for functions of finite Barron constant."""

import sys

import numpy as np
import pytest

from nnlimits import nn
from nnlimits.approximation import Box, named_target
from nnlimits.approximation.barron import barron

CASES = [
    pytest.param("gaussian", 1, nn.Sigmoid(), "relaxed", marks=pytest.mark.slow),
    ("distance", 2, nn.Relu(), "orthogonal"),
    pytest.param("waves", 2, nn.Tanh(), "orthogonal", marks=pytest.mark.slow),
    pytest.param("distance", 6, nn.Step(), "relaxed", marks=pytest.mark.slow),
    pytest.param("barron", 6, nn.Sigmoid(), "relaxed", marks=pytest.mark.slow),
    ("step", 2, nn.Step(), "relaxed"),
]


@pytest.mark.parametrize(("name", "dimension", "activation", "algorithm"), CASES)
def test_certificates_hold(name, dimension, activation, algorithm):
    """The bound is the theorem's, rigorous, and the error on the held-out set is below what was proved."""
    named = named_target(name, dimension)
    found = barron(named, units=16, activation=activation, algorithm=algorithm)
    certificate = found.certificate
    assert found.holds
    assert certificate.rigorous
    assert certificate.bound == certificate.constants["theorem's bound"]
    # the held-out set is finite: within a percent of the norm for continuous functions, and 0.01 for a step
    assert found.error.l2 <= certificate.constants["proved L2"] * 1.01 + 0.01 * (named.kind == "discontinuous")
    assert found.params[0]["weight"].shape[1] <= 16


def test_bound_is_the_constant_over_the_root_of_the_units():
    """C_f of exp(-|x|^2) on the square is 4 / sqrt(pi); a box of half the sides has half of it."""
    named = named_target("gaussian", 2)
    half = barron(named, Box.cube(2, -0.5, 0.5), units=4, activation=nn.Step())
    assert half.certificate.bound == pytest.approx(2 / np.sqrt(np.pi) / 2, rel=1e-12)


def test_tolerances():
    """By the theorem's count where that is small, or else by proof; the certificate is within the tolerance either way."""
    named = named_target("gaussian", 1)
    for tolerance in (0.3, 0.05):
        found = barron(named, tolerance=tolerance, activation=nn.Relu(), algorithm="orthogonal")
        assert found.holds
        assert found.certificate.bound <= tolerance
        assert found.certificate.rigorous


def test_estimated_constants_are_named_so():
    found = barron(lambda x: np.exp(-(x[:, 0] ** 2)), (-1, 1), units=4, activation=nn.Step())
    assert not found.certificate.rigorous
    assert any("estimated by Fourier series" in assumption for assumption in found.certificate.assumptions)
    assert "with estimated constants" in str(found.certificate)
    assert found.holds


def test_infinite_constants_are_refused():
    ball = named_target("ball", 2)
    with pytest.raises(ValueError, match="C_f does not converge as the grid is refined"):
        barron(ball, units=8)


def test_contradicted_constants():
    named = named_target("gaussian", 2)
    with pytest.raises(
        ValueError, match=r"the claimed constant is contradicted: it allows f to vary by 0.2 .* f varies by 0.8"
    ):
        barron(named.function, named.domain, units=8, constant=0.1, activation=nn.Step())
    with pytest.raises(
        ValueError, match=r"variation of f .* is at most 0.001 is contradicted: after 7 units the residual is"
    ):
        barron(named.function, named.domain, units=8, variation=1e-3, activation=nn.Relu(), lipschitz=0.9)


def test_bad_input():
    named = named_target("gaussian", 2)
    for wrong in ({}, {"units": 4, "tolerance": 0.1}):
        with pytest.raises(ValueError, match="exactly one of units, the width of the network, and tolerance"):
            barron(named, **wrong)
    with pytest.raises(ValueError, match=r"units=1 leaves none for f: .* give 2 or more"):
        barron(named, units=1, activation=nn.Relu())
    with pytest.raises(ValueError, match="units may be 1024 at most, which the theorem bounds by"):
        barron(named, units=5000)
    with pytest.raises(ValueError, match="tolerance=1e-17 is below what float64 resolves"):
        barron(named, tolerance=1e-17)
    with pytest.raises(ValueError, match="constant must be finite and positive; received -1"):
        barron(named, units=4, constant=-1.0)
    with pytest.raises(ValueError, match="give constant or variation, not both"):
        barron(named, units=4, constant=1.0, variation=1.0)
    with pytest.raises(ValueError, match="f must have one output; it has 2"):
        barron(lambda x: np.stack([x[:, 0]] * 2, 1), (0, 1), units=4)


def test_unreachable_tolerance_says_what_is(monkeypatch):
    """With a largest budget of 16 in place of 1024 units."""
    for module in ("barron", "proof"):
        monkeypatch.setattr(sys.modules[f"nnlimits.approximation.barron.{module}"], "MOST_UNITS", 16)
    message = r"tolerance=0.0001 is not reached: 16 units are proved .* more than 16; a tolerance of .* is achievable"
    with pytest.raises(ValueError, match=message):
        barron(named_target("gaussian", 1), tolerance=1e-4, activation=nn.Step())
