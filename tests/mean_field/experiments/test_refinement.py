"""The order of the finite volumes."""

import numpy as np
import pytest

from nnlimits.mean_field import experiments


@pytest.mark.slow
def test_orders():
    """Of second order with noise; without it, on grids that resolve the law's width at the end, 0.15 to 0.2 (cells of 0.04 and
    finer: limiters flatten a maximum that is few cells wide); masses to rounding.
    """
    still, noisy, still_two, noisy_two = experiments.refinement((50, 100, 200, 400), (50, 100, 200))
    assert [(r.axes, r.temperature) for r in (still, noisy, still_two, noisy_two)] == [
        (1, 0),
        (1, 0.3),
        (2, 0),
        (2, 0.3),
    ]
    np.testing.assert_allclose(noisy.orders, 2, atol=0.02)
    np.testing.assert_allclose(noisy_two.orders, 2, atol=0.02)
    assert still.orders[0] > 1.75
    assert still.orders[1:].min() > 1.9
    assert still.order > 2
    assert still_two.orders[-1] > 2
    assert max(r.mass_errors.max() for r in (still, noisy, still_two, noisy_two)) < 1e-12


def test_bad_input():
    with pytest.raises(ValueError, match=r"cells must be two or more numbers that ascend, or none; received \(50,\)"):
        experiments.refinement((50,))
