"""Networks with two hidden layers approach their limit."""

import numpy as np
import pytest

from nnlimits import mean_field
from nnlimits.mean_field.experiments.three_layers import TIMES, circle, data, gaussian, three_layers


def outputs(limit, tolerance=1e-6):
    x, y = (part.astype(np.float64) for part in data())
    course = mean_field.layered_flow(limit, x, y, [TIMES[-1]], tolerance=tolerance)
    return np.asarray(course.at(limit, 0)(x))


@pytest.mark.slow
def test_limits_are_accurate():
    """To a fiftieth of the smallest error at width 1,024, about 0.005 at the last time."""
    np.testing.assert_allclose(outputs(circle(96)), outputs(circle(128), 1e-8), atol=2e-5)
    np.testing.assert_allclose(outputs(gaussian(48, 24)), outputs(gaussian(60, 30)), atol=1e-4)


@pytest.mark.slow
def test_errors_fall_as_the_root_of_the_width():
    """Slopes of 16 networks at each of four widths have standard errors of 0.07 (from their own bootstrap intervals)."""
    found = three_layers((32, 64, 128, 256), seeds=16)
    for convergence in found:
        assert convergence.reference_risks[-1] < 0.4 * convergence.reference_risks[0]
        for name in convergence.errors:
            rate = convergence.rate(name)
            print(name, rate[:3])
            assert rate.low < -0.5 < rate.high or abs(rate.slope + 0.5) < 0.1


def test_bad_input():
    with pytest.raises(ValueError, match=r"widths and seeds must be whole numbers of at least 1; received \(0, 4\)"):
        three_layers((0, 4))
