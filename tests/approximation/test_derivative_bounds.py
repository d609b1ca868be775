"""Bounds of higher derivatives."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from nnlimits.approximation import derivative_bounds


def along(function):
    return lambda x: function(x[:, 0])


@pytest.mark.parametrize("order", [1, 2, 3])
def test_bounds_are_close_to_what_is_attained(order) -> None:
    # |d^n sin(3 x + y)| is at most 3^n and 1 along the axes, attained on the square
    found = derivative_bounds(lambda x: jnp.sin(3 * x[:, 0] + x[:, 1]), [(0, 3), (0, 3)], order)
    assert (np.array([3.0**order, 1.0]) <= found).all()
    assert (found <= 1.06 * np.array([3.0**order, 1.0])).all()


def test_a_bound_at_a_kink_of_the_last_derivative() -> None:
    assert np.isclose(derivative_bounds(along(lambda x: jnp.where(x > 0, x**2, 0.0)), (-1, 1), 2), 2.0)


def test_stopped_gradients_are_those_of_the_program() -> None:
    assert np.isclose(derivative_bounds(along(lambda x: lax.stop_gradient(x) ** 2), (0, 1), 1), 2.0)


@pytest.mark.parametrize(
    ("function", "order", "message"),
    [
        (lambda x: jnp.where(x > 0.3, 1.0, 0.0), 1, "f may jump"),
        # the derivatives of a step, and those of a kink but the first, are zero as programs
        (lambda x: jnp.where(x > 0.3, 1.0, 0.0), 2, "f may jump, so that a derivative of order 2 proves nothing"),
        (
            lambda x: jnp.abs(x - 0.3),
            3,
            "the derivative of order 1 along axis 0 may jump, so that a derivative of order 3",
        ),
        (lambda x: jnp.sqrt(jnp.abs(x)), 1, "no bound of the derivative of order 1 along axis 0 was found between"),
    ],
)
def test_derivatives_that_are_not_bounded(function, order, message) -> None:
    with pytest.raises(ValueError, match=message):
        derivative_bounds(along(function), (0, 1), order, budget=200)
