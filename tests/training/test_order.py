"""Fitted orders."""

import numpy as np
import pytest

from nnlimits import training


def test_a_power_law_is_recovered():
    steps = np.array([0.4, 0.1, 0.2])
    order = training.order_of_error(steps, 3 * steps**2)
    assert order.slope == pytest.approx(2)
    assert order.intercept == pytest.approx(np.log(3))
    np.testing.assert_allclose(order.local, 2)


def test_local_slopes_go_from_coarse_to_fine():
    steps = np.array([0.1, 0.2, 0.4])
    local = training.order_of_error(steps, steps + steps**2).local
    assert local[0] > local[1] > 1


@pytest.mark.parametrize(("steps", "errors"), [([0.1], [1.0]), ([0.1, 0.2], [1.0, 0.0]), ([0.1, 0.1], [1.0, 1.0])])
def test_bad_arguments(steps, errors):
    with pytest.raises(ValueError, match="steps and errors must be"):
        training.order_of_error(steps, errors)
