"""Functions that are not bounded are refused with the place; those that only look so to intervals are not."""

import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits.approximation import Box, Target, expression

POLES = {
    "1/x0": ([0.0], True),
    "1/(x0 - 0.3)**2": ([0.3], True),
    "log(abs(x0 - 0.25))": ([0.25], False),
    "abs(x0 + 0.5)**-0.25": ([-0.5], False),
    "1/(x0*x1 - 0.1) + x2": (None, True),
    "1/(x0**2 + x1**2)": ([0.0, 0.0], True),
    "arctanh(x0)": (None, False),
}


@pytest.mark.parametrize("text", POLES)
def test_poles_are_named(text):
    """The place, where there is only one; a point of the pole's surface otherwise."""
    place, division = POLES[text]
    f = expression(text)
    with pytest.raises(ValueError, match=r"not bounded|must be finite") as caught:
        Target(f, Box.cube(f.dimension, -1.0, 1.0))
    message = str(caught.value)
    if place is not None and "not bounded" in message:
        assert f"near {place}" in message
        assert ("a division by zero" in message) == division


def test_tangents_are_refused_at_their_pole():
    with pytest.raises(ValueError, match=r"f is not bounded near \[-?0.785398"):
        Target(expression("tan(2*x0)"), Box.cube(1, -1.0, 1.0))


BOUNDED = ["sinc(x0)", "sqrt(1 - x0**2)", "x0/(x0**2 + 1e-6)", "where(x0 > 0.1, 1/x0, 0)", "1/(x0**2 - x0 + 1)", "r"]


@pytest.mark.parametrize("text", BOUNDED)
def test_bounded_functions_are_not(text):
    """Among them ones that divide by what is zero somewhere and choose another value there."""
    assert Target(expression(text), Box.cube(1, -1.0, 1.0)).outputs == 1


def test_functions_of_numpy_are_not_looked_at():
    assert Target(lambda x: 1 / np.where(x[:, 0] == 0, 1, x[:, 0]), Box.cube(1, -1.0, 1.0)).outputs == 1


def test_six_dimensions():
    """A hyperplane is found in depth, by fewer boxes than may be looked at: 276 halvings lead to a point of it."""
    with pytest.raises(ValueError, match="a division by zero"):
        Target(lambda x: 1 / (jnp.sum(x, axis=1) - 0.123), Box.cube(6))
