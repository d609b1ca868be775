"""Barron constants estimated by Fourier series."""

import numpy as np
import pytest

from nnlimits.approximation import Box, named_target
from nnlimits.approximation.barron import barron_constant

RATIOS = {"gaussian": (0.95, 1.05), "waves": (0.95, 1.5)}


@pytest.mark.parametrize("name", RATIOS)
def test_one_dimension_against_closed_forms(name):
    """The series is of one extension, the closed form of another, the function on the whole line: about the same where the
    function decays within the window of six half sides, and more where the window smears the frequencies of sines."""
    named = named_target(name, 1)
    found = barron_constant(named.function, named.domain)
    exact = named.spectrum.moment(np.ones(1), 1)
    assert found.error < 1e-3 * found.value
    assert RATIOS[name][0] < found.value / exact < RATIOS[name][1]


@pytest.mark.parametrize("dimension", [2, 3])
def test_closed_forms_against_series(dimension):
    """exp(-|x|^2) is small where the window of six half sides falls, so that the two continuations differ by a few percent."""
    named = named_target("gaussian", dimension)
    closed = barron_constant(named)
    assert closed.is_closed_form
    assert closed.value == pytest.approx(2 * dimension / np.sqrt(np.pi), rel=1e-12)
    found = barron_constant(named.function, named.domain)
    assert not found.is_closed_form
    assert found.value == pytest.approx(closed.value, rel=0.03)


def test_neither_place_nor_a_constant_matters():
    """The constant of tanh(4 x) on a box that is moved with the function, and with another constant added, is the same."""
    named = named_target("ridge", 1)
    found = barron_constant(named)
    assert not found.is_closed_form
    moved = barron_constant(lambda x: 7 + np.tanh(4 * (x[:, 0] - 5)), (4, 6))
    assert moved.value == pytest.approx(found.value, rel=1e-6)
    assert found.value >= np.tanh(4)  # half of how much it varies


def test_half_sides_weigh_the_frequencies():
    """exp(-|x|^2 / 4) on a box twice as large is exp(-|z|^2): the same constant, as of the second moment."""
    small, large = named_target("gaussian", 2), Box.cube(2, -2.0, 2.0)
    wanted = barron_constant(small.function, small.domain, order=2).value
    found = barron_constant(lambda x: small.function(x / 2), large, order=2).value
    assert found == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "dimension", "growth"), [("step", 1, "0.[89]|1.0"), ("ball", 2, "1.[3-7]"), ("distance", 1, "0.")]
)
def test_infinite_constants_are_refused_with_their_growth(name, dimension, growth):
    """Coefficients of a jump fall as 1/k, so that the sum of |k| |c_k| grows as n; of the disc's as k^{-3/2}, so as n^{3/2}; of a
    kink as 1/k^2, so as log n."""
    named = named_target(name, dimension)
    with pytest.raises(
        ValueError, match=rf"C_f does not converge .* on \d+ points along each axis, a growth of order ({growth})"
    ):
        barron_constant(named.function, named.domain)


def test_bad_input():
    with pytest.raises(ValueError, match="gaussian was made for 2 inputs, and domain has 1 dimensions"):
        barron_constant(named_target("gaussian", 2), (0, 1))
    with pytest.raises(ValueError, match="order must be an integer, at least 1; received 0"):
        barron_constant(lambda x: x[:, 0], (0, 1), order=0)
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="f is not finite beyond the domain"):
        barron_constant(lambda x: np.sqrt(1 - x[:, 0] ** 2), (-1, 1))
    with pytest.raises(ValueError, match="up to 6 dimensions; received 7"):
        barron_constant(lambda x: x[:, 0], Box.cube(7))
    with pytest.raises(ValueError, match="of one output; f has 2"):
        barron_constant(lambda x: np.stack([x[:, 0]] * 2, 1), (0, 1))
